//! From calls to values: one state a window of a row, and values from them last of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use features::{Denominator, Feature, FeatureSet, Observation, Observer, Party, SlotMask, State, Value, Window};

use crate::entities::{Entities, EntityId, parties};
use crate::kept::{Kept, KeptCalls};
use crate::labels::Label;
use crate::moment::Moment;

/// Rows of one entity whose states are in memory at once. A row of the default features has some ten windows of some
/// thirty slots, and a sketch has up to 3 KiB.
const ROWS_AT_ONCE: usize = 256;

/// A feature over a window, at some level that labels ask for: a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its place in the feature set.
    pub(crate) feature: usize,
    pub(crate) window: Window,
}

/// The columns of these labels: every feature and window that the service answers for one of them, in the order of
/// the definitions.
pub(crate) fn columns(set: &FeatureSet, labels: &[Label]) -> Vec<Column> {
    let mut asked = [[false; 3]; 2];
    for label in labels {
        for party in parties(label) {
            asked[party as usize][label.target.level as usize] = true;
        }
    }
    let is_asked = |feature: &Feature, window: Window| {
        let mut levels = feature.levels.iter().filter(|level| asked[feature.party as usize][**level as usize]);
        levels.any(|level| Moment::of(0).interval(set, feature.party, *level, window).is_some())
    };
    let of_feature = |(place, feature): (usize, &'_ Feature)| -> Vec<Column> {
        let windows = feature.windows().filter(|window| is_asked(feature, *window));
        windows.map(|window| Column { feature: place, window }).collect()
    };
    set.features().iter().enumerate().flat_map(of_feature).collect()
}

/// The values of rows, column by column, and what was left out of them.
pub(crate) struct Evaluated {
    pub(crate) columns: Vec<Vec<Value>>,
    /// How often a call was left out of a row since it became known later, though it had begun.
    pub(crate) not_yet_known: u64,
}

/// What values are made of.
pub(crate) struct Evaluator<'a> {
    pub(crate) set: &'a Arc<FeatureSet>,
    pub(crate) columns: &'a [Column],
    pub(crate) entities: &'a Entities,
    pub(crate) kept: &'a KeptCalls,
    /// Whether calls count that became known after the time of the row.
    pub(crate) late_arrivals: bool,
}

impl Evaluator<'_> {
    /// The values of these labels.
    pub(crate) fn values(&self, labels: &[Label]) -> Evaluated {
        let mut evaluated =
            Evaluated { columns: vec![vec![Value::Missing; labels.len()]; self.columns.len()], not_yet_known: 0 };
        let mut asked: Vec<(EntityId, Party, usize)> = Vec::new();
        for (row, label) in labels.iter().enumerate() {
            asked.extend(parties(label).filter_map(|party| {
                Some((self.entities.id(party, label.target.level, &label.target.key)?, party, row))
            }));
        }
        // Rows of one entity next to each other: its calls are looked at once for all of them.
        asked.sort_unstable();
        let mut observer = Observer::new(Arc::clone(self.set));
        for of_entity in asked.chunk_by(|(a, ..), (b, ..)| a == b) {
            for some in of_entity.chunks(ROWS_AT_ONCE) {
                self.rows_of_entity(some, labels, &mut observer, &mut evaluated);
            }
        }
        evaluated
    }

    fn rows_of_entity(
        &self,
        asked: &[(EntityId, Party, usize)],
        labels: &[Label],
        observer: &mut Observer,
        evaluated: &mut Evaluated,
    ) {
        let Some((entity, party, first)) = asked.first().copied() else { return };
        let level = labels[first].target.level;
        let mask = self.set.mask(party, level);
        let mut plan: BTreeMap<Window, Vec<usize>> = BTreeMap::new();
        for (at, column) in self.columns.iter().enumerate() {
            let feature = &self.set.features()[column.feature];
            if feature.party == party && feature.levels.contains(&level) {
                plan.entry(column.window).or_default().push(at);
            }
        }
        let empty = State::empty(self.set.slots(party));
        let windows = |row: usize| {
            let moment = Moment::of(labels[row].time_ms);
            let mut spans: Vec<Span> = plan
                .keys()
                .filter_map(|window| {
                    let (from_ms, to_ms) = moment.interval(self.set, party, level, *window)?;
                    Some(Span { from_ms, to_ms, window: *window })
                })
                .collect();
            // From the narrowest to the widest: all end at the same moment.
            spans.sort_by_key(|span| std::cmp::Reverse(span.from_ms));
            let rings = vec![empty.clone(); spans.len()];
            (row, Windows { known_before_ms: (!self.late_arrivals).then_some(moment.time_ms), spans, rings })
        };
        let mut rows: Vec<(usize, Windows)> = asked.iter().map(|(.., row)| windows(*row)).collect();
        for kept in self.kept.of(entity) {
            let observed = observer.observe(&kept.call);
            for (_, windows) in &mut rows {
                evaluated.not_yet_known += u64::from(!windows.take_in(kept, &observed.of(party), mask));
            }
        }
        for (row, windows) in rows {
            for (window, state) in windows.states() {
                let denominator = match window {
                    Window::Stream(window) => Denominator::StreamMs(window.duration_ms()),
                    Window::Batch(window) => Denominator::BatchDays(window.days()),
                };
                for at in &plan[&window] {
                    let feature = &self.set.features()[self.columns[*at].feature];
                    let answer = feature.formula.answer(&state, denominator, feature.decimals);
                    evaluated.columns[*at][row] = answer.value;
                }
            }
        }
    }
}

/// What a window covers; the end is exclusive.
struct Span {
    from_ms: i64,
    to_ms: i64,
    window: Window,
}

/// The windows of one row and one party, as rings: each call is taken in once, by the narrowest window that has it,
/// and the wider ones are merged from the narrower ones at the end.
struct Windows {
    /// Only calls that became known before; `None` lets every call in.
    known_before_ms: Option<i64>,
    spans: Vec<Span>,
    rings: Vec<State>,
}

impl Windows {
    /// Takes in a call that lies in a window. False where it lies in one and is left out, since it was not known.
    fn take_in(&mut self, kept: &Kept, call: &Observation<'_>, mask: SlotMask) -> bool {
        let began_ms = call.started_at_ms;
        let ring = self.spans.partition_point(|span| span.from_ms > began_ms);
        if self.spans.get(ring).is_none_or(|span| began_ms >= span.to_ms) {
            return true;
        }
        if self.known_before_ms.is_some_and(|before_ms| kept.known_from_ms >= before_ms) {
            return false;
        }
        self.rings[ring].add(call, mask);
        true
    }

    /// The state of each window.
    fn states(self) -> impl Iterator<Item = (Window, State)> {
        let rings = self.spans.into_iter().zip(self.rings);
        rings.scan(None, |narrower: &mut Option<State>, (span, ring)| {
            let state = match narrower.take() {
                Some(mut state) => {
                    state.merge(&ring);
                    state
                }
                None => ring,
            };
            *narrower = Some(state.clone());
            Some((span.window, state))
        })
    }
}
