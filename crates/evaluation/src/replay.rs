//! What the service would have answered: the features of both parties each time a call is counted.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cdr::CallRecord;
use features::{
    Denominator, FeatureSet, Level, MINUTE_MS, Observation, Observer, Party, SlotMask, State, StreamWindow, Value,
};
use smol_str::SmolStr;

use crate::entity_tiles::EntityTiles;
use crate::{Calls, CallsError, Columns};

/// The features of one number at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// On which side of the calls they are of the number.
    pub party: Party,
    /// The number.
    pub number: &'a str,
    /// Its place among the numbers of this party, from 0, in the order in which they came up.
    pub place: usize,
    /// When the record arrived that was counted, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// One value a column of [`Columns::of_party`]; NaN is a value that is missing.
    pub values: &'a [f64],
}

/// What was replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records, duplicates included.
    pub records: u64,
    /// Records of calls that were counted before.
    pub duplicates: u64,
    /// Records of calls that had begun before every window: they change no answer.
    pub too_late: u64,
    /// When the first record arrived and when the last, in milliseconds since 1970 UTC.
    pub span: Option<(i64, i64)>,
}

/// Goes through calls and hands out the features of caller and callee each time a call is counted, with that call in
/// them.
///
/// A window W at arrival `now` is `[floor_to_minute(now) - W, now]`, as the service answers it just then. States come
/// from minute tiles, merged and made into values by the feature set's own formulas. A call counts once, whatever
/// copies arrive. Numbers that are withheld have no features.
///
/// Memory: a tile, some 1.2 KiB, for each minute in which a number called or was called during the longest window, and
/// the names of its calls.
pub fn replay(
    set: &Arc<FeatureSet>,
    columns: &Columns,
    calls: &dyn Calls,
    watch: &mut dyn FnMut(&Evaluation<'_>),
) -> Result<Replayed, CallsError> {
    let mut replay = Replay {
        set,
        columns,
        observer: Observer::new(Arc::clone(set)),
        sides: Party::ALL.map(|party| Side::new(set, columns, party)),
        counted: BTreeMap::new(),
        longest: Party::ALL
            .iter()
            .filter_map(|party| columns.windows(*party).last())
            .copied()
            .map(minutes)
            .max()
            .unwrap_or(0),
        now_ms: i64::MIN,
        replayed: Replayed::default(),
    };
    calls.each(&mut |arrived_at_ms, call| replay.take_in(arrived_at_ms, call, watch))?;
    Ok(replay.replayed)
}

const fn minutes(window: StreamWindow) -> i64 {
    window.duration_ms() / MINUTE_MS
}

struct Replay<'a> {
    set: &'a FeatureSet,
    columns: &'a Columns,
    observer: Observer,
    sides: [Side; 2],
    /// Caller and id of the calls that began in a minute.
    counted: BTreeMap<i64, HashSet<(SmolStr, SmolStr)>>,
    /// Minutes of the longest window.
    longest: i64,
    now_ms: i64,
    replayed: Replayed,
}

impl Replay<'_> {
    fn take_in(&mut self, arrived_at_ms: i64, call: &CallRecord, watch: &mut dyn FnMut(&Evaluation<'_>)) {
        let before = self.now_ms.div_euclid(MINUTE_MS);
        // Sources are in order; one that were not would not turn time back.
        self.now_ms = self.now_ms.max(arrived_at_ms);
        let now = self.now_ms.div_euclid(MINUTE_MS);
        if now != before {
            self.next_minute(before, now);
        }
        self.replayed.records += 1;
        let first_ms = self.replayed.span.map_or(self.now_ms, |(first_ms, _)| first_ms);
        self.replayed.span = Some((first_ms, self.now_ms));
        let began = call.start_minute();
        if began < now - self.longest {
            self.replayed.too_late += 1;
            return;
        }
        let name = (SmolStr::new(call.caller.as_str()), call.call_id.clone());
        if !self.counted.entry(began).or_default().insert(name) {
            self.replayed.duplicates += 1;
            return;
        }
        let observed = self.observer.observe(call);
        for party in Party::ALL {
            let key = Level::Phone.key(party.number(call), self.set.settings().range_digits);
            let side = &mut self.sides[party as usize];
            if let Some(number) = key.filter(|_| !self.columns.of_party(party).is_empty()) {
                let moment = Moment { now_ms: self.now_ms, now, began };
                side.take_in(self.set, self.columns, number, moment, &observed.of(party), watch);
            }
        }
    }

    /// Windows have moved: what was merged for the minute before holds no more.
    fn next_minute(&mut self, before: i64, now: i64) {
        let first = now - self.longest;
        self.counted = self.counted.split_off(&first);
        let is_next_hour = before.div_euclid(60) != now.div_euclid(60);
        for side in &mut self.sides {
            side.current.clear();
            if is_next_hour {
                side.tiles.iter_mut().for_each(|tiles| tiles.forget_before(first));
            }
        }
    }
}

/// When a record arrived, the minute of that, and the minute in which its call began.
#[derive(Clone, Copy)]
struct Moment {
    now_ms: i64,
    now: i64,
    began: i64,
}

/// All numbers of one party.
struct Side {
    party: Party,
    mask: SlotMask,
    places: HashMap<SmolStr, usize>,
    tiles: Vec<EntityTiles>,
    /// The state of each window, ascending, of the numbers that were evaluated in this minute of arrivals: until it is
    /// over, windows stay where they are and a call is added to those it lies in.
    current: HashMap<usize, Vec<State>>,
    values: Vec<f64>,
}

impl Side {
    fn new(set: &FeatureSet, columns: &Columns, party: Party) -> Self {
        let used = columns.of_party(party).iter().map(|column| set.features()[column.feature].formula.slots());
        Self {
            party,
            mask: used.fold(SlotMask::default(), SlotMask::union),
            places: HashMap::new(),
            tiles: Vec::new(),
            current: HashMap::new(),
            values: Vec::new(),
        }
    }

    fn take_in(
        &mut self,
        set: &FeatureSet,
        columns: &Columns,
        number: &str,
        moment: Moment,
        call: &Observation<'_>,
        watch: &mut dyn FnMut(&Evaluation<'_>),
    ) {
        let place = self.places.get(number).copied().unwrap_or_else(|| {
            let next = self.tiles.len();
            self.places.insert(SmolStr::new(number), next);
            self.tiles.push(EntityTiles::default());
            next
        });
        let slots = set.slots(self.party);
        let windows = columns.windows(self.party);
        let Moment { now_ms, now, began } = moment;
        self.tiles[place].add(began, call, self.mask, slots);
        let states = match self.current.entry(place) {
            Entry::Occupied(current) => {
                let states = current.into_mut();
                for (state, window) in states.iter_mut().zip(windows) {
                    if (now - minutes(*window)..=now).contains(&began) {
                        state.add(call, self.mask);
                    }
                }
                states
            }
            Entry::Vacant(current) => {
                let mut merged = State::empty(slots);
                let mut to = now + 1;
                let merged = windows.iter().map(|window| {
                    let from = now - minutes(*window);
                    self.tiles[place].merge_into(&mut merged, self.mask, from, to);
                    to = from;
                    merged.clone()
                });
                current.insert(merged.collect())
            }
        };
        self.values.clear();
        self.values.extend(columns.of_party(self.party).iter().map(|column| {
            let feature = &set.features()[column.feature];
            let from_ms = (now - minutes(windows[column.window])) * MINUTE_MS;
            let denominator = Denominator::StreamMs(now_ms - from_ms);
            match feature.formula.answer(&states[column.window], denominator, feature.decimals).value {
                Value::Missing => f64::NAN,
                Value::Integer(value) => value as f64,
                Value::Number(value) => value,
            }
        }));
        watch(&Evaluation { party: self.party, number, place, at_ms: now_ms, values: &self.values });
    }
}
