//! What the store must hold, counted with plain loops over the scenario: every tile of every entity, and no other.

use std::collections::{BTreeMap, BTreeSet};

use count_calls::QuarantinedRecord;
use features::{FeatureSet, Formula, Party, Sketch, SlotState, State};
use tiles::{StoredTile, TileKey};

use crate::scenario::{
    CALLEES, CALLERS, Call, Content, LATENESS_MS, STREAM, Scenario, entries, expected_quarantine, refusal,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What is known of an entity in a minute or an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    calls: u64,
    talk_ms: i128,
    shortest_ms: Option<i64>,
    longest_ms: Option<i64>,
    others: usize,
}

/// Entity, `1m` or `1h`, and minutes since 1970.
type Place = (String, &'static str, i64);

/// How the store and the quarantine differ from the recount.
pub fn differences(
    scenario: &Scenario,
    set: &FeatureSet,
    stored: &[(TileKey, StoredTile)],
    quarantine: &BTreeMap<String, QuarantinedRecord>,
) -> Vec<String> {
    let calls = accepted(scenario);
    let expected = expected_tiles(&calls);
    let mut found = Found::default();
    // Besides the tiles there is the note of when counting began, and it names the first arrival.
    let is_note = |key: &TileKey| key.pk == format!("{}#coverage", set.version()) && key.sk == "since";
    for (key, tile) in stored.iter().filter(|(key, _)| !is_note(key)) {
        found.take(scenario, set, key, tile);
    }
    let arrivals: BTreeSet<Vec<u8>> =
        entries(scenario).map(|(_, _, entry)| entry.arrived_at_ms.to_be_bytes().to_vec()).collect();
    for (_, note) in stored.iter().filter(|(key, _)| is_note(key)) {
        if !arrivals.contains(&note.state) {
            found.wrong.push("the note of when counting began names no arrival".to_owned());
        }
    }

    let mut wrong = found.wrong;
    for (place, facts) in &expected {
        match found.tiles.get(place) {
            None => wrong.push(format!("{place:?} is missing: {facts:?}")),
            Some(held) if held != facts => wrong.push(format!("{place:?} holds {held:?}, should {facts:?}")),
            Some(_) => {}
        }
    }
    let more = found.tiles.keys().filter(|place| !expected.contains_key(*place));
    wrong.extend(more.map(|place| format!("{place:?} should not be there")));

    let marks = expected_marks(&calls);
    if found.marks != marks {
        wrong.push(format!("caller tiles remember {:?}, should {marks:?}", found.marks));
    }
    let expected = expected_quarantine(scenario);
    let held: BTreeMap<&String, Option<Vec<u8>>> =
        quarantine.iter().map(|(key, record)| (key, decode_base64(&record.bytes))).collect();
    for (key, bytes) in &expected {
        if held.get(key) != Some(&Some(bytes.clone())) {
            wrong.push(format!("{key} is not in quarantine as it came"));
        }
    }
    wrong.extend(held.keys().filter(|key| !expected.contains_key(**key)).map(|key| format!("{key} is no poison")));
    wrong
}

/// Every call once, if any record of it can count.
fn accepted(scenario: &Scenario) -> Vec<Call> {
    let mut seen = BTreeSet::new();
    let mut calls = Vec::new();
    for (_, _, entry) in entries(scenario) {
        if entry.is_broken {
            continue;
        }
        for content in &entry.contents {
            let Content::Call(call) = content else { continue };
            let identity = (call.caller, call.id, call.started_at_ms.div_euclid(MINUTE_MS));
            if refusal(content, entry.arrived_at_ms).is_none() && seen.insert(identity) {
                calls.push(call.clone());
            }
        }
    }
    calls
}

fn expected_tiles(calls: &[Call]) -> BTreeMap<Place, Facts> {
    let mut tiles: BTreeMap<Place, (Facts, BTreeSet<usize>)> = BTreeMap::new();
    for call in calls {
        let talk_ms = i64::from(call.talk_s) * 1_000;
        let mut count = |entity: String, width: &'static str, width_ms: i64, other: Option<usize>| {
            let start = call.started_at_ms.div_euclid(width_ms) * (width_ms / MINUTE_MS);
            let (facts, others) = tiles.entry((entity, width, start)).or_default();
            facts.calls += 1;
            facts.talk_ms += i128::from(talk_ms);
            match other {
                // Callers know their longest call and whom they called, callees their shortest.
                Some(other) => {
                    facts.longest_ms = facts.longest_ms.max(Some(talk_ms));
                    others.insert(other);
                }
                None => facts.shortest_ms = Some(facts.shortest_ms.map_or(talk_ms, |ms| ms.min(talk_ms))),
            }
        };
        let (caller, caller_prefix) = CALLERS[call.caller];
        let (callee, callee_prefix) = CALLEES[call.callee];
        if caller != "anonymous" {
            count(format!("caller:phone:{caller}"), "1m", MINUTE_MS, Some(call.callee));
            count(format!("caller:prefix:{caller_prefix}"), "1m", MINUTE_MS, Some(call.callee));
            count(format!("caller:prefix:{caller_prefix}"), "1h", HOUR_MS, Some(call.callee));
        }
        count(format!("callee:phone:{callee}"), "1m", MINUTE_MS, None);
        count(format!("callee:prefix:{callee_prefix}"), "1m", MINUTE_MS, None);
        count(format!("callee:prefix:{callee_prefix}"), "1h", HOUR_MS, None);
    }
    let finish = |(place, (facts, others)): (Place, (Facts, BTreeSet<usize>))| {
        let others = others.len();
        (place, Facts { others, ..facts })
    };
    tiles.into_iter().map(finish).collect()
}

/// How many calls the tiles of a caller and minute remember. Anonymous calls are spread over many.
fn expected_marks(calls: &[Call]) -> BTreeMap<(String, i64), usize> {
    let mut marks = BTreeMap::new();
    for call in calls {
        let minute = call.started_at_ms.div_euclid(MINUTE_MS);
        *marks.entry((CALLERS[call.caller].0.to_owned(), minute)).or_default() += 1;
    }
    marks
}

#[derive(Default)]
struct Found {
    tiles: BTreeMap<Place, Facts>,
    hashes: BTreeMap<Place, BTreeSet<u64>>,
    marks: BTreeMap<(String, i64), usize>,
    wrong: Vec<String>,
}

impl Found {
    fn take(&mut self, scenario: &Scenario, set: &FeatureSet, key: &TileKey, tile: &StoredTile) {
        let mut parts = key.sk.splitn(3, '#');
        let (width, start, shard) = (parts.next(), parts.next(), parts.next());
        let minutes = start.and_then(|start| start.parse::<i64>().ok());
        let entity = key.pk.strip_prefix(&format!("{}#", set.version()));
        let width = match width {
            Some("1m") => Some(("1m", MINUTE_MS)),
            Some("1h") => Some(("1h", HOUR_MS)),
            _ => None,
        };
        let (Some(entity), Some((width, width_ms)), Some(minutes)) = (entity, width, minutes) else {
            self.wrong.push(format!("{key} is no key"));
            return;
        };
        if entity.starts_with("caller:phone:") {
            let number = entity.trim_start_matches("caller:phone:");
            let number = number.split('/').next().unwrap_or_default().to_owned();
            *self.marks.entry((number.clone(), minutes)).or_default() += tile.calls.len() / 16;
            if shard.is_some() {
                self.wrong.push(format!("{key}: no caller here makes more calls than its tile remembers"));
            }
            if number == "anonymous" {
                return;
            }
        } else if !shard.is_some_and(|shard| is_shard(scenario, shard)) {
            self.wrong.push(format!("{key} names no shard of the stream"));
        }
        // Long enough for a call that is as late as allowed to be asked for a day later. That caller tiles live long
        // enough shows when copies arrive.
        let needed_ms = minutes * MINUTE_MS + width_ms + LATENESS_MS + DAY_MS;
        if shard.is_some() && tile.expires_at_s * 1_000 < needed_ms {
            self.wrong.push(format!("{key} vanishes while a window may ask for it"));
        }
        let party = if entity.starts_with("caller:") { Party::Caller } else { Party::Callee };
        match State::decode(set.slots(party), &tile.state) {
            Err(error) => self.wrong.push(format!("{key} cannot be read: {error}")),
            Ok(state) => self.add((entity.to_owned(), width, minutes), set, party, &state),
        }
    }

    /// Adds what one shard has of a place.
    fn add(&mut self, place: Place, set: &FeatureSet, party: Party, state: &State) {
        let slot = |name: &str| {
            let feature = set.features().iter().find(|feature| feature.name == name);
            match feature.map(|feature| &feature.formula) {
                Some(Formula::Slot(slot)) => Some(state.slot(*slot)),
                _ => None,
            }
        };
        let (calls, talk) = match party {
            Party::Caller => ("calls", "talk_ms"),
            Party::Callee => ("received_calls", "received_talk_ms"),
        };
        let facts = self.tiles.entry(place.clone()).or_default();
        if let Some(SlotState::Count(calls)) = slot(calls) {
            facts.calls += calls;
        }
        if let Some(SlotState::Sum(talk_ms)) = slot(talk) {
            facts.talk_ms += talk_ms;
        }
        if party == Party::Caller {
            if let Some(SlotState::Max(longest)) = slot("max_talk_ms") {
                facts.longest_ms = facts.longest_ms.max(*longest);
            }
            if let Some(SlotState::Distinct(Sketch::Sparse(hashes))) = slot("distinct_callees") {
                let all = self.hashes.entry(place).or_default();
                all.extend(hashes);
                facts.others = all.len();
            }
        } else if let Some(SlotState::Min(Some(shortest))) = slot("min_received_talk_ms") {
            facts.shortest_ms = Some(facts.shortest_ms.map_or(*shortest, |ms| ms.min(*shortest)));
        }
    }
}

fn is_shard(scenario: &Scenario, named: &str) -> bool {
    scenario
        .lives
        .iter()
        .flat_map(|life| life.shards.iter().map(move |shard| (life, shard)))
        .any(|(life, shard)| named == format!("{STREAM}/{}/{}", life.generation, shard.id))
}

/// Standard base64 (RFC 4648, section 4), read by hand: the recount shares no code with what wrote it.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}
