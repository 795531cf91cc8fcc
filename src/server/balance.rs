//! Which worker gets a connection: pure.

use std::time::Duration;

/// A worker that was woken for a connection has had so long for it, and has neither looked nor finished or begun a
/// request meanwhile: its thread is blocked. Longer than most handlers keep their thread, and than a thread waits
/// for a processor on a busy machine.
pub(super) const BLOCKED_AFTER: Duration = Duration::from_millis(25);

/// What the choice depends on, of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Open connections.
    pub(super) open: usize,
    /// Its thread is blocked: it has not picked up a connection within [`BLOCKED_AFTER`].
    pub(super) blocked: bool,
    /// It can take one more.
    pub(super) takes: bool,
}

/// The worker with the fewest open connections; of equals, the first from `start` on, in a circle. One that is blocked
/// gets none while another takes one.
pub(super) fn choose(start: usize, count: usize, load: impl Fn(usize) -> Load) -> Option<usize> {
    let circle = (0..count).map(|step| (start + step) % count);
    let loads = circle.map(|worker| (worker, load(worker)));
    let takers = loads.filter(|(_, load)| load.takes);
    takers.min_by_key(|(_, load)| (load.blocked, load.open)).map(|(worker, _)| worker)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load() -> impl Strategy<Value = Load> {
        (0..4_usize, any::<bool>(), any::<bool>()).prop_map(|(open, blocked, takes)| Load {
            open,
            blocked,
            takes,
        })
    }

    proptest! {
        #[test]
        fn the_chosen_worker_takes_one_and_no_better_one_does(
            loads in prop::collection::vec(load(), 1..8),
            start in 0..8_usize,
        ) {
            let chosen = choose(start, loads.len(), |worker| loads[worker]);
            prop_assert_eq!(chosen.is_none(), loads.iter().all(|load| !load.takes));
            if let Some(chosen) = chosen.map(|chosen| loads[chosen]) {
                prop_assert!(chosen.takes);
                let better = |load: &&Load| load.takes && (load.blocked, load.open) < (chosen.blocked, chosen.open);
                prop_assert_eq!(loads.iter().find(better), None);
            }
        }

        #[test]
        fn open_connections_differ_by_at_most_one_whatever_was_closed_before(
            mut open in prop::collection::vec(0..20_usize, 1..9),
        ) {
            let (most, all): (usize, usize) = (open.iter().copied().max().unwrap_or(0), open.iter().sum());
            let mut last = 0;
            for _ in all..most * open.len() + 3 {
                let loads: Vec<_> =
                    open.iter().map(|&open| Load { open, blocked: false, takes: true }).collect();
                last = choose(last + 1, loads.len(), |worker| loads[worker]).expect("all take one");
                open[last] += 1;
            }
            let (least, most) = (open.iter().min(), open.iter().max());
            prop_assert!(most <= least.map(|least| least + 1).as_ref(), "{:?}", open);
        }
    }

    #[test]
    fn equals_take_turns() {
        let loads = [Load { open: 0, blocked: false, takes: true }; 3];
        let mut start = 0;
        let chosen = [(); 4].map(|()| {
            let chosen = choose(start, loads.len(), |worker| loads[worker]).expect("all take one");
            start = chosen + 1;
            chosen
        });
        assert_eq!(chosen, [0, 1, 2, 0]);
    }
}
