//! Features of prefixes and ranges are the same before and after, and those of phones are, under their pseudonyms.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Generator};
use features::{Answer, Denominator, Entity, FeatureSet, Level, Observer, Party, State};
use pseudonyms::{Key, Pseudonyms};

/// 2026-11-21T15:00:00.500Z.
const END_MS: i64 = 1_795_273_200_500;

struct Data {
    calls: Vec<CallRecord>,
    hidden: Vec<CallRecord>,
    set: Arc<FeatureSet>,
}

fn data() -> Data {
    let plan = NumberPlan::new("US").unwrap();
    let config = Config { campaigns_per_scheme: 1, ..Config::new(5, END_MS, 1, 200) };
    let generator = Generator::new(config).unwrap();
    let calls: Vec<CallRecord> =
        generator.calls(i64::MIN, i64::MAX).map(|call| call.to_record(&plan).unwrap()).collect();
    let pseudonyms = Pseudonyms::new(&Key::new(&[7; 32]).unwrap(), 4).unwrap();
    let hidden = calls.iter().map(|call| pseudonyms.call(&plan, call.clone()).unwrap()).collect();
    Data { calls, hidden, set: Arc::new(FeatureSet::default_set().unwrap()) }
}

/// The state of every entity over all calls.
fn states(set: &Arc<FeatureSet>, calls: &[CallRecord]) -> HashMap<Entity, State> {
    let mut states: HashMap<Entity, State> = HashMap::new();
    let mut observer = Observer::new(Arc::clone(set));
    for call in calls {
        let observed = observer.observe(call);
        for party in Party::ALL {
            for level in Level::ALL {
                if let Some(key) = level.key(party.number(call), set.settings().range_digits) {
                    let state = states.entry(Entity::new(party, level, key));
                    let state = state.or_insert_with(|| State::empty(set.slots(party)));
                    state.add(&observed.of(party), set.mask(party, level));
                }
            }
        }
    }
    states
}

fn answers(set: &FeatureSet, entity: &Entity, state: &State) -> Vec<(String, Answer)> {
    let features = set.features_at(entity.party, entity.level);
    let answer = |formula: &features::Formula| formula.answer(state, Denominator::BatchDays(2), Some(6));
    features.map(|feature| (feature.name.clone(), answer(&feature.formula))).collect()
}

#[test]
fn features_are_what_they_were() {
    let Data { calls, hidden, set } = data();
    let (before, after) = (states(&set, &calls), states(&set, &hidden));
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (call, hidden) in calls.iter().zip(&hidden) {
        for party in Party::ALL {
            names.insert(party.number(call).as_str(), party.number(hidden).as_str());
        }
    }
    assert_eq!(before.len(), after.len());
    let mut compared = [0; 3];
    for (entity, state) in &before {
        let mut hidden = entity.clone();
        if entity.level == Level::Phone {
            hidden.key = names[entity.key.as_str()].into();
        }
        let (was, is) = (answers(&set, entity, state), answers(&set, &hidden, &after[&hidden]));
        for ((name, was), (_, is)) in was.into_iter().zip(is) {
            assert_eq!(was.exact, is.exact, "{name} of {entity:?}");
            if was.exact {
                assert_eq!(was.value, is.value, "{name} of {:?} {:?}", entity.party, entity.level);
                compared[entity.level as usize] += 1;
            }
        }
    }
    assert!(compared.iter().all(|compared| *compared > 100), "{compared:?}");
}

#[test]
fn nothing_of_a_call_names_its_people_any_more() {
    let Data { calls, hidden, .. } = data();
    let mut hidden_texts = 0;
    let mut stay = HashSet::new();
    for (call, hidden) in calls.iter().zip(&hidden) {
        let json = hidden.to_json();
        let numbers = Party::ALL.map(|party| party.number(call).as_str());
        let texts = [&call.imei, &call.cell_id, &call.trunk, &call.caller_ip].into_iter().flatten();
        let texts = texts.map(smol_str::SmolStr::as_str).chain([call.call_id.as_str()]);
        for text in texts {
            assert!(!json.contains(text), "a text of {} bytes is in the record", text.len());
            hidden_texts += 1;
        }
        for number in numbers.into_iter().filter(|number| number.starts_with('+')) {
            hidden_texts += 1;
            if json.contains(number) {
                stay.insert(number);
            }
        }
        assert_eq!(
            (hidden.started_at_ms, hidden.answered_at_ms, hidden.ended_at_ms, hidden.outcome, hidden.channel),
            (call.started_at_ms, call.answered_at_ms, call.ended_at_ms, call.outcome, call.channel)
        );
        assert_eq!((hidden.cost_micros, &hidden.currency), (call.cost_micros, &call.currency));
    }
    assert!(hidden_texts > 1_000, "{hidden_texts}");
    // One number in 10,000 is its own pseudonym, as chance has it: without such, who has a pseudonym knows one number
    // less that it can be.
    assert!(stay.len() < 3, "{}", stay.len());
}
