//! All definitions of one version, and what follows from them: slots, tile levels, windows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use md5::{Digest, Md5};

use crate::definition::{self, DefinitionErrors};
use crate::state::STATE_FORMAT;
use crate::{BatchWindow, Feature, HOUR_MS, Level, Party, SKETCH_REGISTERS, Slot};

/// Slots a party may have: a [`SlotMask`] is 64 bits wide, and every slot is evaluated for every call.
pub(crate) const SLOTS_MAX: usize = 64;

/// A set of slots of one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotMask(u64);

impl SlotMask {
    /// Every slot.
    pub const ALL: Self = Self(u64::MAX);

    /// These slots.
    pub fn of(slots: &[usize]) -> Self {
        Self(slots.iter().fold(0, |bits, slot| bits | 1 << slot))
    }

    /// Whether a slot is in it.
    pub const fn has(self, slot: usize) -> bool {
        self.0 >> slot & 1 == 1
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no slot is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a feature set fixes besides its features.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Region whose rules turn national numbers into E.164, ISO 3166-1 alpha-2.
    pub default_region: String,
    /// Digits that a range leaves out, 1 to 6.
    pub range_digits: u8,
    /// IANA name of the zone of `hour_local` and `weekday_local`.
    pub zone: String,
    /// Levels whose tiles the stream keeps, for caller and callee.
    pub stream_levels: [Vec<Level>; 2],
    pub(crate) time_zone: TimeZone,
}

impl Settings {
    /// What local time is ahead of UTC at an instant, in milliseconds.
    pub fn offset_ms(&self, at_ms: i64) -> i64 {
        if self.time_zone == TimeZone::UTC {
            return 0;
        }
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        i64::from(self.time_zone.to_offset(at).seconds()) * 1000
    }

    /// The hour of an instant, 0 to 23.
    pub fn hour_local(&self, at_ms: i64) -> i64 {
        (at_ms + self.offset_ms(at_ms)).div_euclid(HOUR_MS).rem_euclid(24)
    }

    /// The weekday of an instant, 1 Monday to 7 Sunday.
    pub fn weekday_local(&self, at_ms: i64) -> i64 {
        // 1970-01-01 was a Thursday, day 4 of the ISO week.
        ((at_ms + self.offset_ms(at_ms)).div_euclid(24 * HOUR_MS) + 3).rem_euclid(7) + 1
    }
}

/// A named list of texts, as `[lists]` declares it.
pub type Lists = std::collections::BTreeMap<String, std::sync::Arc<BTreeSet<smol_str::SmolStr>>>;

/// Hex digits of a version: it is part of every key of a tile.
const VERSION_DIGITS: usize = 8;

/// The features of one version. Two versions never mix in a tile, a snapshot or an answer.
#[derive(Debug)]
pub struct FeatureSet {
    pub(crate) settings: Settings,
    pub(crate) features: Vec<Feature>,
    pub(crate) slots: [Vec<Slot>; 2],
    hash: String,
}

impl FeatureSet {
    /// Reads and type-checks definitions. `read_list` gives the CSV text of a path that `[lists]` names, or says
    /// why it cannot; the first column of the CSV holds the values, its first row is a header.
    pub fn parse(
        toml: &str,
        read_list: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, DefinitionErrors> {
        let mut set = definition::build(toml, read_list)?;
        set.hash = set.make_hash();
        Ok(set)
    }

    /// The definitions that come with Tollwatch: `features.toml` at the root of the repository.
    pub fn default_set() -> Result<Self, DefinitionErrors> {
        Self::parse(include_str!("../../../features.toml"), |path| match path {
            "lists/irsf.csv" => Ok(include_str!("../../../lists/irsf.csv").to_owned()),
            _ => Err("it is not built in".to_owned()),
        })
    }

    pub(crate) const fn unversioned(settings: Settings, features: Vec<Feature>, slots: [Vec<Slot>; 2]) -> Self {
        Self { settings, features, slots, hash: String::new() }
    }

    /// Eight hex digits over everything that changes what a tile means: definitions, lists, settings, number
    /// plan, sketch and state format.
    pub fn version(&self) -> &str {
        self.hash.get(..VERSION_DIGITS).unwrap_or_default()
    }

    /// The whole MD5, in hex, that the version is the beginning of.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The version of the number plan, which is part of the version too: fields derived under another one do not fit.
    pub const fn number_plan(&self) -> &'static str {
        cdr::NumberPlan::metadata_version()
    }

    /// What it fixes besides its features.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The features, in the order of the file.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The features of a party that are declared for a level.
    pub fn features_at(&self, party: Party, level: Level) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(move |feature| feature.party == party && feature.levels.contains(&level))
    }

    /// The slots of a party's states, at every level.
    pub fn slots(&self, party: Party) -> &[Slot] {
        &self.slots[party as usize]
    }

    /// The slots that the features of a level need; the others stay empty.
    pub fn mask(&self, party: Party, level: Level) -> SlotMask {
        let slots = self.features_at(party, level).map(|feature| feature.formula.slots());
        slots.fold(SlotMask::default(), SlotMask::union)
    }

    /// Whether the stream keeps tiles for the features of a party and level.
    pub fn is_streamed(&self, party: Party, level: Level) -> bool {
        self.settings.stream_levels[party as usize].contains(&level) && !self.mask(party, level).is_empty()
    }

    /// The batch windows of a party and level, ascending, each once.
    pub fn batch_windows(&self, party: Party, level: Level) -> Vec<BatchWindow> {
        let windows: BTreeSet<_> =
            self.features_at(party, level).flat_map(|feature| feature.batch.iter().copied()).collect();
        windows.into_iter().collect()
    }

    fn make_hash(&self) -> String {
        let mut text = format!(
            "state {STATE_FORMAT} sketch md5/{SKETCH_REGISTERS} plan {} region {} range {} zone {}\n",
            cdr::NumberPlan::metadata_version(),
            self.settings.default_region,
            self.settings.range_digits,
            self.settings.zone,
        );
        for party in Party::ALL {
            for level in &self.settings.stream_levels[party as usize] {
                let _ = writeln!(text, "stream {} {}", party.as_str(), level.as_str());
            }
            for slot in self.slots(party) {
                let shown = |expr: &Option<crate::Expr>| expr.as_ref().map(ToString::to_string).unwrap_or_default();
                let (input, condition) = (shown(&slot.input), shown(&slot.condition));
                let _ = writeln!(text, "slot {} {:?} {input} where {condition}", party.as_str(), slot.kind);
            }
        }
        for feature in &self.features {
            let (name, formula) = (&feature.name, feature.formula);
            let _ = writeln!(text, "feature {name} {} {formula:?} {:?}", feature.party.as_str(), feature.levels);
            let windows: Vec<_> = feature.windows().map(|window| window.to_string()).collect();
            let _ = writeln!(text, "  {} decimals {:?}", windows.join(" "), feature.decimals);
        }
        Md5::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_set_is_valid_and_has_a_version() {
        let set = FeatureSet::default_set().unwrap();
        assert_eq!((set.version().len(), set.hash().len()), (8, 32));
        assert!(set.hash().starts_with(set.version()));
        assert_eq!(set.version(), FeatureSet::default_set().unwrap().version());
        assert!(set.is_streamed(Party::Caller, Level::Phone));
        let days: Vec<_> = set.batch_windows(Party::Callee, Level::Range).iter().map(|w| w.days()).collect();
        assert_eq!(days, [1, 7, 30, 90]);
    }

    #[test]
    fn what_changes_a_value_changes_the_version() {
        let file = include_str!("../../../features.toml");
        let version =
            |file: &str| FeatureSet::parse(file, |_| Ok("value\nCU\n".to_owned())).unwrap().version().to_owned();
        let changes = [
            ("talk_ms < 6000", "talk_ms < 6001"),
            ("range_digits = 4", "range_digits = 3"),
            ("zone = \"UTC\"", "zone = \"Europe/Berlin\""),
            ("decimals = 2", "decimals = 3"),
            ("stream = [\"1m\", ", "stream = [\"2m\", "),
        ];
        for (from, to) in changes {
            assert!(file.contains(from), "{from}");
            assert_ne!(version(file), version(&file.replace(from, to)), "{from}");
        }
        assert_eq!(version(file), version(&file.replace("Calls attempted", "Attempts")));
        let other_list = FeatureSet::parse(file, |_| Ok("value\nSO\n".to_owned())).unwrap();
        assert_ne!(version(file), other_list.version());
    }

    #[test]
    fn a_level_masks_what_its_features_do_not_need() {
        let set = FeatureSet::default_set().unwrap();
        let cells = set.features().iter().find(|feature| feature.name == "distinct_cells").unwrap();
        let crate::Formula::Slot(slot) = cells.formula else { panic!("distinct is a slot") };
        assert!(set.mask(Party::Caller, Level::Phone).has(slot));
        assert!(!set.mask(Party::Caller, Level::Prefix).has(slot));
    }
}
