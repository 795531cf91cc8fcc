//! What users of the machine rely on: [`Promise`].

/// The promises that users of the machine rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Promise {
    ExitsOnce,
    NothingAfterTheExit,
    PhasesFollowThePlan,
    EachTaskStartsOnce,
    NoTaskForAFailedServer,
    EveryWaitIsTimed,
    TimeoutsAreKept,
    StaleTimerChangesNothing,
    SecondSignalOnlyForces,
    RepeatedRequestChangesNothing,
    SuddenEndNamesThePending,
    LateAnswerChangesNothing,
    EndedByIsTrue,
    OutcomeIsTrue,
    StateIsTrue,
    CheckpointsAreAskedAtOnce,
    CheckpointsDelayOnlyTheCallbacks,
    NoCallbackBesideACheckpoint,
}
