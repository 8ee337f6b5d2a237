//! The exactly-once protocol under a model checker: every interleaving of a small scope, every place of a fault.
//!
//! What decides is the consumer's own: [`CallerTile`], [`DerivedTile`] and the cut of a chunk ([`first_unsettled`],
//! [`settled_calls`], [`first_undone`]). What is modelled here is what surrounds them: shards, batches, the order of
//! requests, a store that compares and sets, and faults. A step is one request to the store, so that whatever can
//! come between two requests does.
//!
//! A chunk is a batch. The recount is plain loops over the records; it shares nothing with the tiles.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use count_calls::{first_undone, first_unsettled, settled_calls};
use features::{FeatureSet, Level, Observation, Party, SlotInput, SlotMask, SlotState, State};
use stateright::{Checker, HasDiscoveries, Model, Property};
use tiles::{CallMark, CallerTile, DerivedTile, Position, StoredTile, TileVersion, Verdict};

/// A count for each kind of tile: caller phone, caller prefix, callee phone.
static SET: LazyLock<FeatureSet> = LazyLock::new(|| {
    let text = r#"
        [settings]
        default_region = "US"
        range_digits = 4
        zone = "UTC"
        [settings.stream_levels]
        caller = ["phone", "prefix"]
        callee = ["phone"]

        [[feature]]
        name = "calls"
        about = "Calls attempted"
        of = "count"
        party = ["caller"]
        level = ["phone", "prefix"]
        stream = ["1m"]

        [[feature]]
        name = "received_calls"
        about = "Calls received"
        of = "count"
        party = ["callee"]
        level = ["phone"]
        stream = ["1m"]
    "#;
    FeatureSet::parse(text, |_| Err("there are no lists".to_owned())).unwrap()
});

/// Every level of both parties keeps the one slot.
static MASK: LazyLock<SlotMask> = LazyLock::new(|| SET.mask(Party::Caller, Level::Phone));

const CALL: Observation<'static> = Observation { started_at_ms: 1_000, inputs: &[SlotInput::One] };

// --- scope --------------------------------------------------------------------------------------------------

/// A record on a shard. All callers have one prefix.
#[derive(Clone, Copy, Debug)]
enum Record {
    Call {
        id: u8,
        caller: usize,
        callee: usize,
    },
    /// It can never count.
    Garbage,
}

/// A call with one callee for all.
const fn call(id: u8, caller: usize) -> Record {
    Record::Call { id, caller, callee: 0 }
}

/// A shard: its records in order. A child of a reshard starts when its parent is done.
#[derive(Clone, Debug)]
struct Shard {
    records: Vec<Record>,
    parent: Option<usize>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// An invocation dies between two requests.
    Crash,
    /// An invocation dies with requests in the air. They reach the store at any later time.
    Timeout,
    /// A request that the function no longer waits for reaches the store later; the function tries again.
    Abandoned,
    /// The write happened, its reply is lost; the function tries again.
    LostReply,
    /// A tile or a quarantine object is given up, after whatever became of earlier requests for it.
    GivenUp,
    /// Time runs out: all that is not written is given up.
    OutOfTime,
    /// The batch was worked through, and is delivered again nevertheless.
    LostAnswer,
    /// The stream takes an invocation for dead and delivers again while it goes on.
    Overlap,
}

impl Fault {
    const ALL: &[Self] = &[
        Self::Crash,
        Self::Timeout,
        Self::Abandoned,
        Self::LostReply,
        Self::GivenUp,
        Self::OutOfTime,
        Self::LostAnswer,
        Self::Overlap,
    ];

    /// All but overlaps, which make many more states.
    const MOST: &[Self] = Self::ALL.split_at(Self::ALL.len() - 1).0;
}

/// How many faults a run may still see, of each kind and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    left: [u8; Fault::ALL.len()],
    in_all: u8,
}

impl Budget {
    /// These, once each, and at most `in_all` together.
    fn of(faults: &[Fault], in_all: u8) -> Self {
        let mut budget = Self { left: [0; Fault::ALL.len()], in_all };
        faults.iter().for_each(|fault| budget.left[*fault as usize] += 1);
        budget
    }

    fn allows(&self, fault: Fault) -> bool {
        self.left[fault as usize] > 0
    }

    fn spend(&mut self, fault: Fault) {
        self.left[fault as usize] -= 1;
        self.in_all -= 1;
        if self.in_all == 0 {
            self.left = [0; Fault::ALL.len()];
        }
    }
}

/// A mistake in how the functions are used; the checker must find what it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// The store writes whatever the stored version is.
    UnconditionalWrite,
    /// A write that was refused is taken for done.
    RefusalIgnored,
    /// A write that got no answer is taken for done.
    NoAnswerTakenForDone,
    /// A tile that was given up stays in the cache as if it were stored.
    CacheTrustedAfterFailure,
    /// Derived tiles take in calls behind the first unsettled record.
    DerivedBeyondUnsettled,
    /// What is not written counts as decided by what would have been written.
    VerdictWithoutWrite,
    /// The derived tiles of a shard share one position.
    OneCheckpointAShard,
    /// A caller tile remembers the call, not which delivery of it counted.
    DeliveryForgotten,
    /// The stream delivers again from the last unsettled record, not the first.
    LastUndone,
    /// The stream delivers again from the first unsettled record, whatever derived tiles lack.
    UnderivedForgotten,
    /// A record whose quarantine failed counts as done.
    QuarantineFailureIgnored,
}

/// Something that a scope must show for its result to mean anything.
type Sight = (&'static str, fn(&Counting, &World) -> bool);

// --- state --------------------------------------------------------------------------------------------------

/// A tile in the store or on its way there, and the count in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tile {
    stored: StoredTile,
    count: u64,
}

impl Tile {
    fn new(stored: StoredTile, party: Party) -> Arc<Self> {
        let state = State::decode(SET.slots(party), &stored.state).unwrap();
        let SlotState::Count(count) = *state.slot(0) else { panic!("the one slot is a count") };
        Arc::new(Self { stored, count })
    }
}

impl Hash for Tile {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (VersionHash(Some(self.stored.version)), &self.stored.calls, &self.stored.state).hash(hasher);
    }
}

struct VersionHash(Option<TileVersion>);

impl Hash for VersionHash {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self.0 {
            None => 0.hash(hasher),
            Some(TileVersion::Calls(calls)) => (1, calls).hash(hasher),
            Some(TileVersion::Applied(position)) => (2, position).hash(hasher),
        }
    }
}

/// A place in the store; caller tiles come first, then the derived tiles of each shard.
type TileAt = usize;

/// A compare-and-set request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Write {
    at: TileAt,
    expected: Option<TileVersion>,
    tile: Arc<Tile>,
}

impl Hash for Write {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.at, VersionHash(self.expected), &self.tile).hash(hasher);
    }
}

/// What an invocation has yet to bring to an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    /// The record at this place is to be set aside.
    Quarantine(usize),
    /// A tile is to be written. The second part is what the function believes is stored.
    Tile(TileAt, Option<Arc<Tile>>),
}

/// Tiles that a function keeps from batch to batch.
type Cache = Vec<Option<Arc<Tile>>>;

/// A batch in the hands of a function. Places are places in the shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Invocation {
    shard: usize,
    batch: Range<usize>,
    cache: Cache,
    tasks: Vec<Task>,
    is_out_of_time: bool,
    /// The calls of the batch and what their caller tiles said, where those are written.
    verdicts: Vec<(usize, Option<Verdict>)>,
    unquarantined: Option<usize>,
    /// Set when the second stage begins.
    deriving: Option<Deriving>,
}

/// The second stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Deriving {
    unsettled: Option<usize>,
    /// The calls that derived tiles take in.
    calls: Vec<usize>,
    underived: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    store: Vec<Option<Arc<Tile>>>,
    /// Records set aside, as shard and place.
    quarantine: BTreeSet<(usize, usize)>,
    /// How far the stream is with each shard.
    checkpoints: Vec<usize>,
    /// What the function of each shard keeps between two batches.
    caches: Vec<Cache>,
    /// One place for each shard, then one for each invocation that the stream took for dead.
    invocations: Vec<Option<Invocation>>,
    in_air: Vec<Write>,
    budget: Budget,
    is_late_applied: bool,
    is_late_refused: bool,
}

impl World {
    fn compare_and_set(&mut self, write: Write, sabotage: Option<Sabotage>) -> bool {
        let stored = self.store[write.at].as_ref().map(|tile| tile.stored.version);
        let is_written = stored == write.expected || sabotage == Some(Sabotage::UnconditionalWrite);
        if is_written {
            self.store[write.at] = Some(write.tile);
        }
        is_written
    }
}

/// One step. An invocation is named by its place in [`World::invocations`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// A shard's next records, up to a place, reach a function, which may be one that kept its tiles.
    Begin {
        shard: usize,
        end: usize,
        is_warm: bool,
    },
    /// One request, for one of an invocation's tasks.
    Request {
        of: usize,
        task: usize,
        end: RequestEnd,
    },
    /// An invocation that has no task left answers.
    Answer {
        of: usize,
        is_lost: bool,
    },
    Crash {
        of: usize,
    },
    /// `in_air`: the tasks whose requests are, as bits.
    Timeout {
        of: usize,
        in_air: u8,
    },
    OutOfTime {
        of: usize,
    },
    Overlap {
        of: usize,
    },
    /// A late write reaches the store.
    Land {
        write: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestEnd {
    Answered,
    LostReply,
    Abandoned,
    GivenUp,
}

// --- the consumer -------------------------------------------------------------------------------------------

/// A tile task before its request.
struct Pending {
    /// What the caller tile says of its calls.
    verdicts: Vec<(usize, Verdict)>,
    /// The first call that the derived tile lacks.
    missing: Option<usize>,
    /// The tile with its calls.
    tile: Option<Arc<Tile>>,
    /// `None` where nothing is left to write.
    write: Option<Write>,
}

/// A scope and the recount of its tiles.
struct Counting {
    shards: Vec<Shard>,
    budget: Budget,
    sights: Vec<Sight>,
    sabotage: Option<Sabotage>,
    callers: usize,
    /// Derived tiles of a shard: one for the prefix, one for each callee.
    derived_tiles: usize,
    positions: Vec<Position>,
    recount: Vec<u64>,
}

impl Counting {
    fn new(shards: Vec<Shard>, budget: Budget) -> Self {
        let (mut callers, mut callees) = (0, 0);
        for record in shards.iter().flat_map(|shard| &shard.records) {
            if let Record::Call { caller, callee, .. } = record {
                callers = callers.max(caller + 1);
                callees = callees.max(callee + 1);
            }
        }
        let recount = recount(&shards, callers, callees);
        let positions = (1..10).map(|n| Position::parse(&n.to_string(), 0).unwrap()).collect();
        let derived_tiles = 1 + callees;
        Self { shards, budget, sights: Vec::new(), sabotage: None, callers, derived_tiles, positions, recount }
    }

    fn does(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    fn is_shard_done(&self, world: &World, shard: usize) -> bool {
        world.checkpoints[shard] == self.shards[shard].records.len()
    }

    fn is_done(&self, world: &World) -> bool {
        (0..self.shards.len()).all(|shard| self.is_shard_done(world, shard))
    }

    /// The counts of callers, of the prefix and of callees, summed over shards.
    fn counts(&self, world: &World) -> Vec<u64> {
        let mut counts = vec![0; self.callers + self.derived_tiles];
        for (at, tile) in world.store.iter().enumerate() {
            let entity = match at.checked_sub(self.callers) {
                None => at,
                Some(derived) => self.callers + derived % self.derived_tiles,
            };
            counts[entity] += tile.as_ref().map_or(0, |tile| tile.count);
        }
        counts
    }

    /// The derived tiles that take in a record.
    fn derived_tiles_of(&self, shard: usize, place: usize) -> Vec<TileAt> {
        let first = self.callers + shard * self.derived_tiles;
        match self.shards[shard].records[place] {
            Record::Call { callee, .. } => vec![first, first + 1 + callee],
            Record::Garbage => Vec::new(),
        }
    }

    fn begin(&self, shard: usize, batch: Range<usize>, mut cache: Cache) -> Invocation {
        let mut tasks = Vec::new();
        let mut callers = BTreeSet::new();
        let mut verdicts = Vec::new();
        for place in batch.clone() {
            match self.shards[shard].records[place] {
                Record::Garbage => tasks.push(Task::Quarantine(place)),
                Record::Call { caller, .. } => {
                    verdicts.push((place, None));
                    if callers.insert(caller) {
                        tasks.push(Task::Tile(caller, cache[caller].take()));
                    }
                }
            }
        }
        let (is_out_of_time, unquarantined, deriving) = (false, None, None);
        Invocation { shard, batch, cache, tasks, is_out_of_time, verdicts, unquarantined, deriving }
    }

    /// Begins the second stage when the first is over.
    fn advance(&self, invocation: &mut Invocation, store: &[Option<Arc<Tile>>]) {
        if invocation.tasks.is_empty() && invocation.deriving.is_none() {
            self.begin_deriving(invocation, store);
            self.end_idle_tasks(invocation);
        }
    }

    /// Ends tasks with nothing left to write, and the others too when time is over.
    fn end_idle_tasks(&self, invocation: &mut Invocation) {
        for task in std::mem::take(&mut invocation.tasks) {
            let pending = self.pending(invocation, &task);
            if pending.as_ref().is_some_and(|pending| pending.write.is_none()) {
                Self::end(invocation, &task, pending);
            } else if invocation.is_out_of_time {
                self.give_up(invocation, &task, pending);
            } else {
                invocation.tasks.push(task);
            }
        }
    }

    /// What a tile task would write; `None` for a quarantine task.
    fn pending(&self, invocation: &Invocation, task: &Task) -> Option<Pending> {
        let Task::Tile(at, base) = task else { return None };
        let is_first_stage = invocation.deriving.is_none();
        let pending = if is_first_stage { Self::pending_caller } else { Self::pending_derived };
        Some(pending(self, invocation, *at, base.as_ref()))
    }

    fn pending_caller(&self, invocation: &Invocation, at: TileAt, base: Option<&Arc<Tile>>) -> Pending {
        let slots = SET.slots(Party::Caller);
        let mut tile = match base {
            Some(base) => CallerTile::from_stored(&base.stored, slots).unwrap(),
            None => CallerTile::empty(slots),
        };
        let expected = tile.expected();
        let mut verdicts = Vec::new();
        for (place, _) in &invocation.verdicts {
            if let Record::Call { id, caller, .. } = self.shards[invocation.shard].records[*place]
                && caller == at
            {
                let is_forgotten = self.does(Sabotage::DeliveryForgotten);
                let delivery = if is_forgotten { 0 } else { (invocation.shard * 16 + place) as u64 };
                verdicts.push((*place, tile.admit(CallMark { call: id.into(), delivery }, &CALL, *MASK)));
            }
        }
        let tile = Tile::new(tile.to_stored(0), Party::Caller);
        let is_new = verdicts.iter().any(|(_, verdict)| *verdict == Verdict::New);
        let write = is_new.then(|| Write { at, expected, tile: Arc::clone(&tile) });
        Pending { verdicts, missing: None, tile: Some(tile), write }
    }

    fn pending_derived(&self, invocation: &Invocation, at: TileAt, base: Option<&Arc<Tile>>) -> Pending {
        let is_prefix = (at - self.callers).is_multiple_of(self.derived_tiles);
        let party = if is_prefix { Party::Caller } else { Party::Callee };
        let slots = SET.slots(party);
        let mut tile = match base {
            Some(base) => DerivedTile::from_stored(&base.stored, slots).unwrap(),
            None => DerivedTile::empty(slots),
        };
        let expected = tile.expected();
        let mut missing = None;
        for place in invocation.deriving.iter().flat_map(|deriving| &deriving.calls) {
            if self.derived_tiles_of(invocation.shard, *place).contains(&at)
                && tile.apply(self.positions[*place], &CALL, *MASK)
            {
                missing.get_or_insert(*place);
            }
        }
        let tile = tile.to_stored(0).map(|stored| Tile::new(stored, party));
        let write = missing.and(tile.clone()).map(|tile| Write { at, expected, tile });
        Pending { verdicts: Vec::new(), missing, tile, write }
    }

    /// The first stage is over: the chunk is cut, and what stands before the cut goes to derived tiles.
    fn begin_deriving(&self, invocation: &mut Invocation, store: &[Option<Arc<Tile>>]) {
        let shard = invocation.shard;
        let is_quarantine_ignored = self.does(Sabotage::QuarantineFailureIgnored);
        let unquarantined = invocation.unquarantined.filter(|_| !is_quarantine_ignored);
        let unsettled = first_unsettled(unquarantined, invocation.verdicts.iter().copied());
        let settled = match self.does(Sabotage::DerivedBeyondUnsettled) {
            true => invocation.verdicts.len(),
            false => settled_calls(invocation.verdicts.iter().map(|(place, _)| *place), unsettled),
        };
        let shared = self.does(Sabotage::OneCheckpointAShard).then(|| self.last_applied(shard, store)).flatten();
        let mut calls = Vec::new();
        for (place, verdict) in &invocation.verdicts[..settled] {
            let is_had = shared.is_some_and(|applied| self.positions[*place] <= applied);
            if verdict.is_some_and(Verdict::is_accepted) && !is_had {
                calls.push(*place);
            }
        }
        let tiles: BTreeSet<_> = calls.iter().flat_map(|place| self.derived_tiles_of(shard, *place)).collect();
        invocation.tasks = tiles.into_iter().map(|at| Task::Tile(at, invocation.cache[at].take())).collect();
        invocation.deriving = Some(Deriving { unsettled, calls, underived: None });
    }

    /// The highest position in any derived tile of a shard.
    fn last_applied(&self, shard: usize, store: &[Option<Arc<Tile>>]) -> Option<Position> {
        let tiles = store[self.callers..].chunks(self.derived_tiles).nth(shard).into_iter().flatten().flatten();
        let position = |tile: &Arc<Tile>| match tile.stored.version {
            TileVersion::Applied(position) => Some(position),
            TileVersion::Calls(_) => None,
        };
        tiles.filter_map(position).max()
    }

    /// A task's tile holds what it should.
    fn end(invocation: &mut Invocation, task: &Task, pending: Option<Pending>) {
        if let (Task::Tile(at, _), Some(pending)) = (task, pending) {
            invocation.cache[*at] = pending.tile;
            for (place, said) in pending.verdicts {
                let call = invocation.verdicts.iter_mut().find(|(call, _)| *call == place);
                call.unwrap().1 = Some(said);
            }
        }
    }

    fn give_up(&self, invocation: &mut Invocation, task: &Task, pending: Option<Pending>) {
        match (task, pending) {
            (Task::Tile(at, _), Some(pending)) => {
                if let Some(deriving) = &mut invocation.deriving {
                    deriving.underived = first_undone(deriving.underived, pending.missing);
                }
                if self.does(Sabotage::CacheTrustedAfterFailure) {
                    invocation.cache[*at].clone_from(&pending.tile);
                }
                if self.does(Sabotage::VerdictWithoutWrite) {
                    Self::end(invocation, task, Some(pending));
                }
            }
            (Task::Quarantine(place), _) => {
                invocation.unquarantined = first_undone(invocation.unquarantined, Some(*place));
            }
            (Task::Tile(..), None) => unreachable!("a tile task writes"),
        }
    }

    /// One request for a task, and what the function hears of it.
    fn request(&self, world: &mut World, invocation: &mut Invocation, task_at: usize, end: RequestEnd) {
        let task = invocation.tasks.remove(task_at);
        let pending = self.pending(invocation, &task);
        match (&task, end) {
            (_, RequestEnd::GivenUp) => {
                world.budget.spend(Fault::GivenUp);
                self.give_up(invocation, &task, pending);
            }
            // Setting a record aside again writes the same bytes.
            (Task::Quarantine(place), _) => {
                world.quarantine.insert((invocation.shard, *place));
            }
            (Task::Tile(at, _), _) => {
                let write = pending.as_ref().and_then(|pending| pending.write.clone()).unwrap();
                let (is_ended, retried) = match end {
                    RequestEnd::LostReply => {
                        world.budget.spend(Fault::LostReply);
                        world.compare_and_set(write, self.sabotage);
                        (self.does(Sabotage::NoAnswerTakenForDone), task.clone())
                    }
                    RequestEnd::Abandoned => {
                        world.budget.spend(Fault::Abandoned);
                        world.in_air.push(write);
                        (self.does(Sabotage::NoAnswerTakenForDone), task.clone())
                    }
                    _ => {
                        let is_written = world.compare_and_set(write, self.sabotage);
                        let current = world.store[*at].clone();
                        (is_written || self.does(Sabotage::RefusalIgnored), Task::Tile(*at, current))
                    }
                };
                let rebased = self.pending(invocation, &retried);
                if is_ended {
                    Self::end(invocation, &task, pending);
                } else if rebased.as_ref().is_some_and(|rebased| rebased.write.is_none()) {
                    Self::end(invocation, &retried, rebased);
                } else {
                    invocation.tasks.insert(task_at, retried);
                }
            }
        }
        self.advance(invocation, &world.store);
    }

    /// The function answers. What the stream hears moves the checkpoint.
    fn answer(&self, world: &mut World, invocation: Invocation, is_lost: bool) {
        let Invocation { shard, batch, cache, verdicts, deriving, .. } = invocation;
        world.caches[shard] = cache;
        if is_lost {
            world.budget.spend(Fault::LostAnswer);
            return;
        }
        let Deriving { mut unsettled, mut underived, .. } = deriving.unwrap();
        if self.does(Sabotage::LastUndone) {
            let last = verdicts.iter().rfind(|(_, verdict)| verdict.is_none());
            unsettled = last.map(|(place, _)| *place);
        }
        if self.does(Sabotage::UnderivedForgotten) {
            underived = None;
        }
        world.checkpoints[shard] = first_undone(unsettled, underived).unwrap_or(batch.end);
        if self.is_shard_done(world, shard) {
            world.caches[shard].fill(None);
        }
    }

    /// Batches that a shard's function may get next.
    fn begin_actions(&self, world: &World, shard: usize, actions: &mut Vec<Action>) {
        let Some(scope) = self.shards.get(shard) else { return };
        if scope.parent.is_some_and(|parent| !self.is_shard_done(world, parent)) {
            return;
        }
        for end in world.checkpoints[shard] + 1..=scope.records.len() {
            actions.push(Action::Begin { shard, end, is_warm: false });
            if world.caches[shard].iter().any(Option::is_some) {
                actions.push(Action::Begin { shard, end, is_warm: true });
            }
        }
    }

    /// The verdicts that stand: shard, place, verdict.
    fn verdicts(world: &World) -> impl Iterator<Item = (usize, usize, Verdict)> {
        world.invocations.iter().flatten().flat_map(|invocation| {
            let verdicts = invocation.verdicts.iter();
            verdicts.filter_map(|(place, verdict)| Some((invocation.shard, *place, (*verdict)?)))
        })
    }

    /// Whether the call at a place of a shard was sent on the same shard before.
    fn is_sent_again(&self, shard: usize, place: usize) -> bool {
        let records = &self.shards[shard].records;
        let id = |record: &Record| if let Record::Call { id, .. } = record { Some(*id) } else { None };
        records[..place].iter().any(|record| id(record) == id(&records[place]))
    }
}

/// The invocations that write derived tiles.
fn deriving(world: &World) -> impl Iterator<Item = (&Invocation, &Deriving)> {
    let invocations = world.invocations.iter().flatten();
    invocations.filter_map(|invocation| Some((invocation, invocation.deriving.as_ref()?)))
}

fn is_written_behind_cut(invocation: &Invocation, deriving: &Deriving) -> bool {
    let is_behind = |place: usize| deriving.unsettled.is_some_and(|unsettled| place > unsettled);
    invocation.verdicts.iter().any(|(place, verdict)| is_behind(*place) && verdict.is_some())
}

const LATE_WRITE_APPLIED: Sight = ("a late write is applied", |_, world| world.is_late_applied);
const LATE_WRITE_REFUSED: Sight = ("a late write is refused", |_, world| world.is_late_refused);
const DUPLICATE_ELSEWHERE: Sight = ("a duplicate is refused on another shard", |model, world| {
    let is_it = |(shard, at, verdict)| verdict == Verdict::Duplicate && !model.is_sent_again(shard, at);
    Counting::verdicts(world).any(is_it)
});
const DUPLICATE_HERE: Sight = ("a duplicate is refused on its shard", |model, world| {
    let is_it = |(shard, at, verdict)| verdict == Verdict::Duplicate && model.is_sent_again(shard, at);
    Counting::verdicts(world).any(is_it)
});
const DUPLICATE_IN_CHILD: Sight = ("a child shard refuses a call", |model, world| {
    let is_child = |shard: usize| model.shards[shard].parent.is_some();
    Counting::verdicts(world).any(|(shard, _, verdict)| verdict == Verdict::Duplicate && is_child(shard))
});
const COUNTED_BEFORE: Sight = ("a call was counted before", |_, world| {
    Counting::verdicts(world).any(|(_, _, verdict)| verdict == Verdict::CountedBefore)
});
/// A call whose caller tile is written stands behind the cut, and waits.
const WRITTEN_BEHIND_CUT: Sight = ("a call behind the cut is written", |_, world| {
    deriving(world).any(|(invocation, deriving)| is_written_behind_cut(invocation, deriving))
});
/// The same, and derived tiles take in what stands before the cut.
const CUT_IN_THE_MIDDLE: Sight = ("a chunk is cut in the middle", |_, world| {
    deriving(world)
        .any(|(invocation, deriving)| !deriving.calls.is_empty() && is_written_behind_cut(invocation, deriving))
});
const DERIVED_GIVEN_UP: Sight =
    ("a derived tile is given up", |_, world| deriving(world).any(|(_, deriving)| deriving.underived.is_some()));
const QUARANTINE_GIVEN_UP: Sight = ("a quarantine object is given up", |_, world| {
    deriving(world).any(|(invocation, _)| invocation.unquarantined.is_some())
});
const OVERLAP: Sight = ("two invocations of a shard write derived tiles at once", |model, world| {
    let shards: Vec<_> = deriving(world).map(|(invocation, _)| invocation.shard).collect();
    (0..model.shards.len()).any(|shard| shards.iter().filter(|of| **of == shard).count() > 1)
});

/// What the tiles should say of each caller, of the prefix and of each callee: each call once.
fn recount(shards: &[Shard], callers: usize, callees: usize) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    let mut counts = vec![0; callers + 1 + callees];
    for shard in shards {
        for record in &shard.records {
            if let Record::Call { id, caller, callee } = *record
                && seen.insert(id)
            {
                counts[caller] += 1;
                counts[callers] += 1;
                counts[callers + 1 + callee] += 1;
            }
        }
    }
    counts
}

impl Model for Counting {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let shards = self.shards.len();
        let nothing = vec![None; self.callers + shards * self.derived_tiles];
        vec![World {
            store: nothing.clone(),
            quarantine: BTreeSet::new(),
            checkpoints: vec![0; shards],
            caches: vec![nothing; shards],
            invocations: vec![None; shards],
            in_air: Vec::new(),
            budget: self.budget,
            is_late_applied: false,
            is_late_refused: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (of, invocation) in world.invocations.iter().enumerate() {
            let Some(invocation) = invocation else {
                self.begin_actions(world, of, actions);
                continue;
            };
            // One that the stream took for dead meets no more faults.
            let allows = |fault| of < self.shards.len() && world.budget.allows(fault);
            let mut writes = 0u8;
            for (at, task) in invocation.tasks.iter().enumerate() {
                let mut request = |end| actions.push(Action::Request { of, task: at, end });
                request(RequestEnd::Answered);
                if allows(Fault::GivenUp) {
                    request(RequestEnd::GivenUp);
                }
                if let Task::Tile(tile, base) = task {
                    writes |= 1 << at;
                    // The lost reply of a refused write changes nothing.
                    if allows(Fault::LostReply) && *base == world.store[*tile] {
                        request(RequestEnd::LostReply);
                    }
                    if allows(Fault::Abandoned) {
                        request(RequestEnd::Abandoned);
                    }
                }
            }
            if invocation.tasks.is_empty() {
                actions.push(Action::Answer { of, is_lost: false });
                if allows(Fault::LostAnswer) {
                    actions.push(Action::Answer { of, is_lost: true });
                }
            } else {
                if allows(Fault::OutOfTime) {
                    actions.push(Action::OutOfTime { of });
                }
                if allows(Fault::Overlap) {
                    actions.push(Action::Overlap { of });
                }
            }
            if allows(Fault::Crash) {
                actions.push(Action::Crash { of });
            }
            if allows(Fault::Timeout) {
                let subsets = (1..=writes).filter(|in_air| in_air & !writes == 0);
                actions.extend(subsets.map(|in_air| Action::Timeout { of, in_air }));
            }
        }
        actions.extend((0..world.in_air.len()).map(|write| Action::Land { write }));
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Begin { shard, end, is_warm } => {
                let mut cache = vec![None; world.store.len()];
                std::mem::swap(&mut cache, &mut world.caches[shard]);
                if !is_warm {
                    cache.fill(None);
                }
                let mut invocation = self.begin(shard, world.checkpoints[shard]..end, cache);
                self.end_idle_tasks(&mut invocation);
                self.advance(&mut invocation, &world.store);
                world.invocations[shard] = Some(invocation);
            }
            Action::Request { of, task, end } => {
                let mut invocation = world.invocations[of].take()?;
                self.request(&mut world, &mut invocation, task, end);
                // Nobody hears the answer of one that the stream took for dead.
                let is_over = of >= self.shards.len() && invocation.tasks.is_empty();
                match is_over {
                    true => drop(world.invocations.remove(of)),
                    false => world.invocations[of] = Some(invocation),
                }
            }
            Action::Answer { of, is_lost } => {
                let invocation = world.invocations[of].take()?;
                self.answer(&mut world, invocation, is_lost);
            }
            Action::Crash { of } => {
                world.budget.spend(Fault::Crash);
                world.invocations[of] = None;
            }
            Action::Timeout { of, in_air } => {
                world.budget.spend(Fault::Timeout);
                let invocation = world.invocations[of].take()?;
                let tasks = invocation.tasks.iter().enumerate().filter(|(at, _)| in_air >> at & 1 == 1);
                let writes = tasks.filter_map(|(_, task)| self.pending(&invocation, task)?.write);
                world.in_air.extend(writes);
            }
            Action::OutOfTime { of } => {
                world.budget.spend(Fault::OutOfTime);
                let mut invocation = world.invocations[of].take()?;
                invocation.is_out_of_time = true;
                self.end_idle_tasks(&mut invocation);
                self.advance(&mut invocation, &world.store);
                world.invocations[of] = Some(invocation);
            }
            Action::Overlap { of } => {
                world.budget.spend(Fault::Overlap);
                let invocation = world.invocations[of].take();
                world.invocations.push(invocation);
            }
            Action::Land { write } => {
                let write = world.in_air.remove(write);
                let is_written = world.compare_and_set(write, self.sabotage);
                world.is_late_applied |= is_written;
                world.is_late_refused |= !is_written;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing is counted twice", |model: &Self, world: &World| {
                model.counts(world).iter().zip(&model.recount).all(|(count, recount)| count <= recount)
            }),
            // Also while writes are in the air: the stream is done with a record only when its tiles are.
            Property::always("what is done is counted", |model: &Self, world: &World| {
                !model.is_done(world) || model.counts(world) == model.recount
            }),
            Property::always("garbage behind a checkpoint is in quarantine", |model: &Self, world: &World| {
                world.checkpoints.iter().enumerate().all(|(shard, checkpoint)| {
                    let done = model.shards[shard].records[..*checkpoint].iter().enumerate();
                    let mut garbage = done.filter(|(_, record)| matches!(record, Record::Garbage));
                    garbage.all(|(place, _)| world.quarantine.contains(&(shard, place)))
                })
            }),
            Property::eventually("every shard gets done", |model: &Self, world: &World| model.is_done(world)),
        ];
        properties.extend(self.sights.iter().map(|(name, is_seen)| Property::sometimes(name, *is_seen)));
        properties
    }
}

// --- scopes -------------------------------------------------------------------------------------------------

/// A shard, and its parent if it is the child of a reshard.
fn shard(records: &[Record], parent: Option<usize>) -> Shard {
    Shard { records: records.to_vec(), parent }
}

/// Checks all of a scope and prints how large it is. With fewer than `states_min` states it would have lost what it
/// is there for.
fn check(name: &str, shards: Vec<Shard>, budget: Budget, sights: &[Sight], states_min: usize) {
    let mut scope = Counting::new(shards, budget);
    scope.sights = sights.to_vec();
    let started = Instant::now();
    let checker = scope.checker().spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} states, {steps} steps, depth {depth}, {:.1} s", started.elapsed().as_secs_f64());
    for (property, path) in checker.discoveries() {
        if !sights.iter().any(|(sight, _)| *sight == property) {
            let world = path.last_state().clone();
            panic!("{name}: it does not hold that {property}:\n{:#?}\n{world:#?}", path.into_actions());
        }
    }
    checker.assert_properties();
    assert!(states >= states_min, "{name}: {states} states are left of {states_min}");
}

/// Two callers, one of whose calls is sent to both shards.
fn two_shards() -> Vec<Shard> {
    vec![shard(&[call(1, 0), call(2, 1)], None), shard(&[call(1, 0)], None)]
}

#[test]
fn a_call_on_two_shards_and_any_two_faults() {
    let sights = [
        LATE_WRITE_APPLIED,
        LATE_WRITE_REFUSED,
        DUPLICATE_ELSEWHERE,
        COUNTED_BEFORE,
        WRITTEN_BEHIND_CUT,
        DERIVED_GIVEN_UP,
    ];
    check("two shards, two faults", two_shards(), Budget::of(Fault::MOST, 2), &sights, 180_000);
}

#[test]
fn a_call_on_two_shards_and_overlapping_invocations() {
    let budget = Budget::of(&[Fault::Overlap], 1);
    check("two shards, overlap", two_shards(), budget, &[OVERLAP, DUPLICATE_ELSEWHERE, COUNTED_BEFORE], 8_000);
}

#[test]
fn a_call_alone_on_two_shards_and_any_three_faults() {
    let shards = vec![shard(&[call(1, 0)], None), shard(&[call(1, 0)], None)];
    let sights = [LATE_WRITE_APPLIED, LATE_WRITE_REFUSED, DUPLICATE_ELSEWHERE, COUNTED_BEFORE, OVERLAP];
    check("two records, three faults", shards, Budget::of(Fault::ALL, 3), &sights, 130_000);
}

#[test]
fn one_shard_and_any_three_faults() {
    let shards = vec![shard(&[call(1, 0), call(2, 1)], None)];
    let sights = [LATE_WRITE_APPLIED, LATE_WRITE_REFUSED, COUNTED_BEFORE, WRITTEN_BEHIND_CUT, DERIVED_GIVEN_UP];
    check("one shard, three faults", shards, Budget::of(Fault::MOST, 3), &sights, 110_000);
}

#[test]
fn one_shard_and_overlapping_invocations() {
    let shards = vec![shard(&[call(1, 0), call(2, 1)], None)];
    check(
        "one shard, overlap and another fault",
        shards,
        Budget::of(Fault::ALL, 2),
        &[OVERLAP, WRITTEN_BEHIND_CUT],
        85_000,
    );
}

#[test]
fn four_records_and_any_fault() {
    let shards = vec![shard(&[call(1, 0), call(2, 1), call(3, 0)], None), shard(&[call(1, 0)], None)];
    let sights = [LATE_WRITE_APPLIED, LATE_WRITE_REFUSED, DUPLICATE_ELSEWHERE, CUT_IN_THE_MIDDLE, OVERLAP];
    check("four records, one fault", shards, Budget::of(Fault::ALL, 1), &sights, 130_000);
}

#[test]
fn two_callees_and_any_fault() {
    let other_callee = Record::Call { id: 2, caller: 0, callee: 1 };
    let shards = vec![shard(&[call(1, 0), other_callee], None), shard(&[call(1, 0)], None)];
    let sights = [LATE_WRITE_APPLIED, LATE_WRITE_REFUSED, DUPLICATE_ELSEWHERE, DERIVED_GIVEN_UP, OVERLAP];
    check("two callees, one fault", shards, Budget::of(Fault::ALL, 1), &sights, 20_000);
}

#[test]
fn a_call_twice_on_its_shard() {
    let shards = vec![shard(&[call(1, 0), call(2, 1), call(1, 0)], None)];
    let sights = [DUPLICATE_HERE, COUNTED_BEFORE, CUT_IN_THE_MIDDLE, LATE_WRITE_REFUSED];
    check("a duplicate behind its call, two faults", shards, Budget::of(Fault::MOST, 2), &sights, 38_000);
}

#[test]
fn a_reshard_and_any_two_faults() {
    let shards = vec![shard(&[call(1, 0)], None), shard(&[call(2, 0)], None), shard(&[call(1, 0)], Some(0))];
    let sights = [DUPLICATE_IN_CHILD, LATE_WRITE_APPLIED, LATE_WRITE_REFUSED];
    check("reshard, two faults", shards, Budget::of(Fault::MOST, 2), &sights, 85_000);
}

#[test]
fn a_record_that_never_counts_and_any_two_faults() {
    let shards = vec![shard(&[call(1, 0), Record::Garbage, call(2, 0)], None)];
    let sights = [QUARANTINE_GIVEN_UP, CUT_IN_THE_MIDDLE, COUNTED_BEFORE, DERIVED_GIVEN_UP];
    check("garbage, two faults", shards, Budget::of(Fault::MOST, 2), &sights, 34_000);
}

/// Each sabotage in the smallest scope that shows it, and what it breaks there.
#[test]
fn every_sabotage_is_found() {
    const UNCOUNTED: &str = "what is done is counted";
    const TWICE: &str = "nothing is counted twice";
    const UNQUARANTINED: &str = "garbage behind a checkpoint is in quarantine";
    let one = || vec![shard(&[call(1, 0)], None)];
    let two = || vec![shard(&[call(1, 0), call(2, 1)], None)];
    let two_of_a_caller = || vec![shard(&[call(1, 0), call(2, 0)], None)];
    let apart = || vec![shard(&[call(1, 0)], None), shard(&[call(2, 0)], None)];
    let duplicate = || vec![shard(&[call(1, 0)], None), shard(&[call(1, 0)], None)];
    let garbage = || vec![shard(&[Record::Garbage], None)];
    let cases = [
        (Sabotage::UnconditionalWrite, apart(), None, UNCOUNTED),
        (Sabotage::UnconditionalWrite, two_of_a_caller(), Some(Fault::Timeout), UNCOUNTED),
        (Sabotage::RefusalIgnored, apart(), None, UNCOUNTED),
        (Sabotage::NoAnswerTakenForDone, apart(), Some(Fault::Abandoned), UNCOUNTED),
        (Sabotage::CacheTrustedAfterFailure, one(), Some(Fault::GivenUp), UNCOUNTED),
        (Sabotage::DerivedBeyondUnsettled, two(), Some(Fault::GivenUp), UNCOUNTED),
        (Sabotage::VerdictWithoutWrite, one(), Some(Fault::GivenUp), UNCOUNTED),
        (Sabotage::OneCheckpointAShard, one(), Some(Fault::Crash), UNCOUNTED),
        (Sabotage::DeliveryForgotten, duplicate(), None, TWICE),
        (Sabotage::LastUndone, two_of_a_caller(), Some(Fault::GivenUp), UNCOUNTED),
        (Sabotage::UnderivedForgotten, one(), Some(Fault::GivenUp), UNCOUNTED),
        (Sabotage::QuarantineFailureIgnored, garbage(), Some(Fault::GivenUp), UNQUARANTINED),
    ];
    for (sabotage, shards, fault, broken) in cases {
        let budget = Budget::of(fault.as_slice(), 1);
        check(&format!("without {sabotage:?}"), shards.clone(), budget, &[], 0);
        let mut scope = Counting::new(shards, budget);
        scope.sabotage = Some(sabotage);
        let checker = scope.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let discoveries = checker.discoveries();
        let path = discoveries.get(broken).unwrap_or_else(|| panic!("{sabotage:?}: {:?}", discoveries.keys()));
        println!("{sabotage:?} breaks that {broken}: {:?}", path.clone().into_actions());
    }
}
