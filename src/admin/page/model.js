// What the page knows: the last status, when it came, and how the connection stands.

const model = {
  status: null,
  /** When `status` was true, on this page's own clock. */
  at: 0,
  /** When the connection broke, on the same clock. */
  brokeAt: 0,
  /** connecting, live, lost, gone, unseen, closed or locked. */
  link: "connecting",
  /** The time of day when the server was last heard. */
  heard: null,
  /** The status of another process that answers at this address. */
  successor: null,
};

const isOver = () => model.status !== null && model.status.outcome !== undefined;
const hasBegun = () => model.status !== null && model.status.deadline_left_ms !== null;
const isExiting = () => hasBegun() && !isOver();
/** The process ended without having told how. */
const isGone = () => model.link === "gone" && !isOver();
/** The same, or its exit goes on out of this server's sight: no status will come. */
const isSilent = () => (model.link === "gone" || model.link === "unseen") && !isOver();

/** How long ago the status was true. Without a connection the clocks stop: the page does not know how it goes on. */
const since = () => Math.max(0, (model.link === "live" ? performance.now() : model.brokeAt) - model.at);

/** Milliseconds from the first request to stop. */
function elapsed() {
  const { status } = model;
  if (!hasBegun()) return 0;
  return status.timeout_ms - status.deadline_left_ms + (isOver() ? 0 : since());
}

const deadlineLeft = () => Math.max(0, model.status.deadline_left_ms - since());

const JOBS = ["checkpoints", "callbacks", "resources", "workers"];
const jobs = (kind) => model.status[kind] ?? [];

/** Each phase with its place on the axis: as it went, and as it would go if each took its whole timeout. */
function schedule() {
  const released = [...jobs("resources")].reverse();
  let next = 0;
  let release = 0;
  return model.status.phases.slice(0, MOST).map((phase) => {
    const start = phase.start_ms ?? (isOver() || isSilent() ? null : next);
    const isRunning = phase.start_ms !== null && phase.duration_ms === null;
    const done = phase.duration_ms ?? (isRunning ? Math.max(0, elapsed() - phase.start_ms) : 0);
    next = (start ?? next) + (phase.duration_ms ?? Math.max(phase.bound_ms, done));
    const resource = phase.name === "release" ? released[release++] : undefined;
    const members = resource ? [resource] : phase.name === "callbacks" ? jobs("callbacks") : [];
    const failed = members.find((member) => stateTone(member.state) === "bad") ?? members.find((member) => stateTone(member.state) === "warn");
    return { ...phase, start, done, isRunning, what: resource?.name, tone: phaseTone(phase, members), failed };
  });
}

const STATE_TONES = { running: "live", done: "good", not_started: "none", timed_out: "warn", cut_off: "warn" };
const stateTone = (state) => STATE_TONES[state] ?? "bad";

/** A phase is as bad as what ended it, or as the worst of its members. */
function phaseTone(phase, members) {
  const tones = members.map((member) => stateTone(member.state));
  if (phase.ended_by === "deadline" || phase.ended_by === "signal" || tones.includes("bad")) return "bad";
  return phase.ended_by === "timeout" || tones.includes("warn") ? "warn" : "none";
}

/** The running phase and how much of its timeout is left. */
function current() {
  const phase = schedule().find((row) => row.isRunning);
  return phase && { phase, left: Math.max(0, phase.bound_ms - phase.done) };
}

/** What the exit waits for, as a sentence. */
function waitingFor() {
  const { status } = model;
  const requests = status.servers.reduce((sum, server) => sum + server.in_flight, 0);
  if (status.phase === "drain" && requests > 0) {
    const all = status.servers.flatMap((server) => server.oldest);
    const first = all.reduce((oldest, it) => (!oldest || it.age_ms > oldest.age_ms ? it : oldest), null);
    const oldest = first && `${first.method} ${first.path} (${running(first.age_ms + since())})`;
    return say(`waiting_${requests === 1 ? "one" : "many"}${oldest ? "_oldest" : ""}`, { n: count(requests), oldest });
  }
  const names = JOBS.flatMap(jobs).filter((job) => job.state === "running").map((job) => job.name);
  if (names.length === 0) return "";
  const shown = names.slice(0, 5).join(say("separator"));
  return say("waiting_members", { names: names.length > 5 ? `${shown} ${say("more", { n: names.length - 5 })}` : shown });
}

/** What went wrong so far, the first two by name. */
function problems() {
  const failed = JOBS.flatMap(jobs).filter((job) => ["bad", "warn"].includes(stateTone(job.state)));
  const sentence = ({ name, state, error }) => say("problem", { what: [`${name}: ${lower("state", state)}`, error].filter(Boolean).join(": ") });
  return failed.slice(0, 2).map(sentence).join(say("sentence"));
}

/** A report of an earlier run, in a few words. */
function previousExit(exit) {
  if (exit.outcome === "killed") return say("previous_killed");
  const values = { outcome: lower("outcome", exit.outcome), code: exit.exit_code, time: time(exit.duration_ms ?? 0) };
  return say("previous_exit", values);
}
