//! The books against a model: tiles as sets of calls, inputs that grow, change and vanish.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use snapshot::Source;

use super::*;

/// A call: its id. Its day is in it, so that a copy is of the same day.
type Call = (i32, u8);
type Objects = BTreeMap<String, BTreeSet<Call>>;

/// What happens to the input between two runs.
#[derive(Clone, Debug)]
enum Change {
    /// An object appears, or is replaced.
    Put(u8, BTreeSet<Call>),
    /// An object is written again with the same bytes.
    Touch(u8),
    /// An object vanishes.
    Delete(u8),
    /// An object that vanished comes back as it was.
    Restore(u8),
    /// A run, so many days later or earlier than the one before.
    Run(i32),
}

const WINDOW_DAYS: i32 = 4;

fn any_change() -> impl Strategy<Value = Change> {
    let call = (0..12i32, 0..6u8);
    let name = || 0..5u8;
    prop_oneof![
        4 => (name(), prop::collection::btree_set(call, 0..5)).prop_map(|(name, calls)| Change::Put(name, calls)),
        1 => name().prop_map(Change::Touch),
        2 => name().prop_map(Change::Delete),
        1 => name().prop_map(Change::Restore),
        4 => (-1..3i32).prop_map(Change::Run),
    ]
}

fn version(calls: &BTreeSet<Call>) -> String {
    format!("{calls:?}")
}

fn object(calls: &BTreeSet<Call>, listed: &str) -> LedgerObject {
    let mut days: BTreeMap<UtcDay, u64> = BTreeMap::new();
    for (day, _) in calls {
        *days.entry(UtcDay::new(*day)).or_default() += 1;
    }
    let listed = Some(listed.to_owned());
    LedgerObject { version: version(calls), listed, records: calls.len() as u64, days, ..LedgerObject::default() }
}

/// A job that keeps sets of calls where the real one keeps states.
#[derive(Default)]
struct Model {
    input: Objects,
    deleted: Objects,
    /// How often each object was written.
    writes: BTreeMap<String, u32>,
    ledger: BTreeMap<String, LedgerObject>,
    /// What was in each object when it was read last.
    known: Objects,
    tiles: BTreeMap<UtcDay, BTreeSet<Call>>,
    as_of: i32,
    /// Objects read in the last run.
    read: usize,
}

impl Model {
    fn listed(&self, name: &str) -> String {
        format!("t{}", self.writes.get(name).unwrap_or(&0))
    }

    fn change(&mut self, change: &Change) {
        let write = |writes: &mut BTreeMap<String, u32>, name: u8| {
            *writes.entry(name.to_string()).or_default() += 1;
        };
        match change {
            Change::Put(name, calls) => {
                write(&mut self.writes, *name);
                self.input.insert(name.to_string(), calls.clone());
            }
            Change::Touch(name) => write(&mut self.writes, *name),
            Change::Delete(name) => {
                self.deleted.extend(self.input.remove_entry(&name.to_string()));
            }
            Change::Restore(name) => {
                let name = name.to_string();
                if !self.input.contains_key(&name) {
                    self.input.extend(self.deleted.remove_entry(&name));
                }
            }
            Change::Run(later) => self.run(*later),
        }
    }

    fn window(&self) -> BTreeSet<UtcDay> {
        (self.as_of + 1 - WINDOW_DAYS..=self.as_of).map(UtcDay::new).collect()
    }

    fn run(&mut self, later: i32) {
        self.as_of += later;
        let window = self.window();
        let source = Source { location: String::new(), reading: String::new() };
        let ledger = Ledger { objects: std::mem::take(&mut self.ledger), ..Ledger::new(source) };
        let mut books = Books::open(ledger, self.tiles.keys().copied().collect());
        let listed: Vec<Wanted> = (0..)
            .zip(self.input.keys())
            .map(|(number, key)| {
                let version = Version::new(self.listed(key));
                let meta = ObjectMeta { key: key.clone(), size: 0, version, modified_secs: None };
                Wanted { meta, number }
            })
            .collect();
        let fresh: Vec<Wanted> = books
            .compare(&listed, &BTreeSet::new())
            .into_iter()
            .filter(|file| !books.is_same(&file.meta, &Version::new(version(&self.input[&file.meta.key]))))
            .collect();
        let mut calls_read: Vec<&BTreeSet<Call>> = Vec::new();
        for file in &fresh {
            let calls = &self.input[&file.meta.key];
            books.take_in(&file.meta.key, object(calls, &self.listed(&file.meta.key)));
            calls_read.push(calls);
            self.known.insert(file.meta.key.clone(), calls.clone());
        }
        let before = self.tiles.clone();
        let days = books.settle(&window);
        let again: Vec<&Wanted> = listed.iter().filter(|file| books.is_needed(&file.meta.key, &days)).collect();
        calls_read.extend(again.iter().map(|file| &self.input[&file.meta.key]));
        self.read = fresh.len() + again.len();
        for day in &days {
            let calls = calls_read.iter().copied().flatten().filter(|(of, _)| UtcDay::new(*of) == *day);
            let calls: BTreeSet<Call> = calls.copied().collect();
            if calls.is_empty() {
                self.tiles.remove(day)
            } else {
                self.tiles.insert(*day, calls)
            };
        }
        self.ledger = books.close(UtcDay::new(i32::MIN)).objects;
        self.check(&window, &before);
    }

    fn check(&self, window: &BTreeSet<UtcDay>, before: &BTreeMap<UtcDay, BTreeSet<Call>>) {
        for day in window {
            let of_day = |calls: &BTreeSet<Call>| {
                calls.iter().filter(|(of, _)| UtcDay::new(*of) == *day).copied().collect::<BTreeSet<Call>>()
            };
            let tile = self.tiles.get(day).cloned().unwrap_or_default();
            let left_out = self.ledger.values().any(|object| object.left_out.contains(day));
            let input: BTreeSet<Call> = self.input.values().flat_map(of_day).collect();
            // What is there is counted, or it is said that it is not.
            assert!(left_out || input.is_subset(&tile), "{day:?}: {input:?} is not all in {tile:?}");
            // What is counted is there, or was in an object that is gone.
            let gone = self.ledger.values().any(|object| object.gone && object.days.contains_key(day));
            assert!(left_out || gone || tile == input, "{day:?}: {tile:?} is not {input:?}");
            // A call that was counted goes only with an object that was replaced, never with one that vanished.
            let kept = |call: &Call| {
                let gone = self.ledger.iter().filter(|(_, object)| object.gone && !object.left_out.contains(day));
                gone.map(|(name, _)| &self.known[name]).any(|calls| calls.contains(call))
            };
            for call in before.get(day).into_iter().flatten().filter(|call| kept(call)) {
                assert!(tile.contains(call), "{day:?}: {call:?} is lost");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn tiles_hold_what_the_input_holds_or_the_ledger_says_what_not(changes in prop::collection::vec(any_change(), 1..24)) {
        let mut model = Model { as_of: 5, ..Model::default() };
        for change in &changes {
            model.change(change);
        }
        model.run(0);
        let (tiles, ledger) = (model.tiles.clone(), model.ledger.clone());
        model.run(0);
        prop_assert_eq!(model.read, 0, "a run without new input read something");
        prop_assert!(tiles == model.tiles && ledger == model.ledger, "a run without new input changed something");
    }
}

#[test]
fn a_late_call_reads_the_objects_of_its_day_and_no_others() {
    let mut model = Model { as_of: 10, ..Model::default() };
    for (name, days) in [(0, [7, 8]), (1, [8, 9]), (2, [9, 10])] {
        model.change(&Change::Put(name, days.map(|day| (day, name)).into()));
    }
    model.run(0);
    assert_eq!(model.read, 3);
    model.change(&Change::Put(3, [(7, 3)].into()));
    model.run(0);
    assert_eq!(model.read, 2, "the new one, and the one other that has calls of its day");
    // A new day as of which nothing has arrived reads nothing.
    model.run(1);
    assert_eq!(model.read, 0);
}

#[test]
fn a_day_whose_object_is_gone_keeps_its_tile_until_it_comes_back() {
    let mut model = Model { as_of: 10, ..Model::default() };
    model.change(&Change::Put(0, [(9, 0), (10, 0)].into()));
    model.run(0);
    model.change(&Change::Delete(0));
    model.change(&Change::Put(1, [(9, 1)].into()));
    model.run(0);
    let day = UtcDay::new(9);
    assert_eq!(model.tiles[&day], [(9, 0)].into());
    assert_eq!(model.ledger["1"].left_out, [day].into());
    model.change(&Change::Restore(0));
    model.run(0);
    assert_eq!(model.tiles[&day], [(9, 0), (9, 1)].into());
    assert!(model.ledger.values().all(|object| object.left_out.is_empty()));
}

/// A run for a day far ahead lets go of tiles and of what is known of the objects that they were made from. A run for an
/// earlier day then builds such a day from what is left, and must say what it lacks.
#[test]
fn what_was_forgotten_is_left_out_of_a_day_that_is_built_again() {
    let day = UtcDay::new(100);
    let source = Source { location: String::new(), reading: String::new() };
    let gone = LedgerObject { days: [(day, 500)].into(), gone: true, ..LedgerObject::default() };
    let late = LedgerObject { days: [(day, 2)].into(), ..LedgerObject::default() };
    let objects = [("gone".to_owned(), gone), ("late".to_owned(), late)].into();
    let books = Books::open(Ledger { objects, ..Ledger::new(source) }, [day].into());
    let far_ahead = books.close(day.plus(200));
    assert_eq!(far_ahead.objects.keys().collect::<Vec<_>>(), ["late"]);

    let window = (0..90).map(|ago| day.plus(50 - ago)).collect();
    let mut books = Books::open(far_ahead, BTreeSet::new());
    assert_eq!(books.settle(&window), [day].into());
    assert_eq!(books.left_out(&window), [LeftOut { date: day, records: 500 }]);
}
