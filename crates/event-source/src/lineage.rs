//! The order of shards: a child is read after its parents. No I/O.

use std::collections::BTreeMap;

use crate::{Checkpoint, Shard, StartAt, StartPosition};

/// What is known of every shard that was ever listed.
#[derive(Clone, Debug)]
pub struct Lineage {
    start: StartPosition,
    is_first_listing: bool,
    shards: BTreeMap<String, State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Waits for its parents; begins there.
    Waiting(StartAt),
    /// Is being read.
    Running,
    /// Was read to the tip and is still open.
    AtTip,
    /// Was read to its end.
    Ended,
}

impl Lineage {
    /// Nothing listed yet.
    pub const fn new(start: StartPosition) -> Self {
        Self { start, is_first_listing: true, shards: BTreeMap::new() }
    }

    /// Whether a checkpoint of this shard is needed for [`Lineage::observe`].
    pub fn is_new(&self, shard_id: &str) -> bool {
        !self.shards.contains_key(shard_id)
    }

    /// Takes a listing, and the checkpoints of its new shards and of their parents; gives the shards to start now
    /// and where. They count as running from here on.
    pub fn observe(
        &mut self,
        listing: &[Shard],
        checkpoints: &BTreeMap<String, Checkpoint>,
    ) -> Vec<(String, StartAt)> {
        for shard in listing.iter().filter(|shard| !self.shards.contains_key(&shard.id)).collect::<Vec<_>>() {
            let state = match checkpoints.get(&shard.id) {
                Some(Checkpoint::Ended) => State::Ended,
                Some(Checkpoint::After(sequence_number)) => State::Waiting(StartAt::After(sequence_number.clone())),
                None => self.first_state(shard, checkpoints),
            };
            self.shards.insert(shard.id.clone(), state);
        }
        self.is_first_listing = false;
        let mut starting = Vec::new();
        for shard in listing {
            let waits = shard.parents.iter().any(|parent| match self.shards.get(parent) {
                Some(State::Running | State::AtTip) => true,
                // One that is not listed any more has outlived its records and will not start.
                Some(State::Waiting(_)) => listing.iter().any(|listed| listed.id == *parent),
                Some(State::Ended) | None => false,
            });
            if waits {
                continue;
            }
            if let Some(state) = self.shards.get_mut(&shard.id)
                && let State::Waiting(from) = state
            {
                starting.push((shard.id.clone(), from.clone()));
                *state = State::Running;
            }
        }
        starting
    }

    /// A shard was read to its end: its children may start.
    pub fn ended(&mut self, shard_id: &str) {
        self.shards.insert(shard_id.to_owned(), State::Ended);
    }

    /// A shard was read to the tip, and is not read further.
    pub fn at_tip(&mut self, shard_id: &str) {
        self.shards.insert(shard_id.to_owned(), State::AtTip);
    }

    /// Where a shard without a checkpoint begins. `Latest` is meant for what is there at the very first start: what
    /// comes later, or descends from a shard that was read before, is read whole.
    fn first_state(&self, shard: &Shard, checkpoints: &BTreeMap<String, Checkpoint>) -> State {
        let descends_from_read = shard.parents.iter().any(|parent| checkpoints.contains_key(parent));
        if self.start == StartPosition::TrimHorizon || !self.is_first_listing || descends_from_read {
            State::Waiting(StartAt::TrimHorizon)
        } else if shard.is_closed {
            State::Ended
        } else {
            State::Waiting(StartAt::Latest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], is_closed: bool) -> Shard {
        Shard { id: id.to_owned(), parents: parents.iter().map(|&parent| parent.to_owned()).collect(), is_closed }
    }

    fn started(started: &[(&str, StartAt)]) -> Vec<(String, StartAt)> {
        started.iter().map(|(id, from)| ((*id).to_owned(), from.clone())).collect()
    }

    fn no_checkpoints() -> BTreeMap<String, Checkpoint> {
        BTreeMap::new()
    }

    #[test]
    fn children_start_when_their_parents_have_ended() {
        let mut lineage = Lineage::new(StartPosition::TrimHorizon);
        let listing = [
            shard("0", &[], true),
            shard("1", &[], true),
            shard("2", &["0"], true),
            shard("3", &["0"], false),
            shard("4", &["2", "1"], false),
        ];
        let trim = StartAt::TrimHorizon;
        let first = lineage.observe(&listing, &no_checkpoints());
        assert_eq!(first, started(&[("0", trim.clone()), ("1", trim.clone())]));
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), []);
        lineage.ended("0");
        let second = lineage.observe(&listing, &no_checkpoints());
        assert_eq!(second, started(&[("2", trim.clone()), ("3", trim.clone())]));
        lineage.ended("2");
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), []);
        lineage.ended("1");
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), started(&[("4", trim)]));
    }

    #[test]
    fn a_child_waits_for_a_running_parent_that_is_no_longer_listed() {
        let mut lineage = Lineage::new(StartPosition::TrimHorizon);
        lineage.observe(&[shard("0", &[], false)], &no_checkpoints());
        let listing = [shard("1", &["0"], false), shard("3", &["2"], false)];
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), started(&[("3", StartAt::TrimHorizon)]));
        lineage.ended("0");
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), started(&[("1", StartAt::TrimHorizon)]));
    }

    #[test]
    fn latest_is_for_what_is_open_at_the_first_start() {
        let mut lineage = Lineage::new(StartPosition::Latest);
        let mut listing = vec![shard("0", &[], true), shard("1", &["0"], false)];
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), started(&[("1", StartAt::Latest)]));
        lineage.ended("1");
        listing.push(shard("2", &["1"], false));
        assert_eq!(lineage.observe(&listing, &no_checkpoints()), started(&[("2", StartAt::TrimHorizon)]));
    }

    #[test]
    fn checkpoints_say_where_to_go_on() {
        let mut lineage = Lineage::new(StartPosition::Latest);
        let listing =
            [shard("0", &[], true), shard("1", &["0"], false), shard("2", &["0"], false), shard("3", &[], false)];
        let checkpoints = BTreeMap::from([
            ("0".to_owned(), Checkpoint::Ended),
            ("1".to_owned(), Checkpoint::After("17".to_owned())),
        ]);
        // Shard 2 came while nobody was looking: it is read whole.
        let expected =
            started(&[("1", StartAt::After("17".to_owned())), ("2", StartAt::TrimHorizon), ("3", StartAt::Latest)]);
        assert_eq!(lineage.observe(&listing, &checkpoints), expected);
    }
}
