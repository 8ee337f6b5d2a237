//! The features that can be asked for, by name and id, and what asking for them means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use features::{Feature, FeatureSet, Formula, Level, Party, SlotKind, Window};

use crate::error::RequestError;

/// Names that one request may list.
pub const NAMES_MAX: usize = 1_000;
/// Names suggested for one that does not exist.
const SUGGESTIONS_MAX: usize = 3;
/// Names longer than this are not compared: no feature has one, and the comparison is quadratic.
const COMPARED_BYTES_MAX: usize = 100;

/// One feature over one window: what one value of an answer is about. Ordered as answers list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Its place in the feature set.
    pub feature: usize,
    /// The window.
    pub window: Window,
}

/// What a request names, resolved, but not yet for a party and level.
#[derive(Clone, Debug)]
pub struct Selection(Option<Vec<(String, Vec<Asked>)>>);

/// A feature set, indexed by name.
#[derive(Debug)]
pub struct Catalog {
    set: Arc<FeatureSet>,
    by_name: BTreeMap<String, Vec<Asked>>,
    /// By the place of the feature: every value of an answer names one.
    ids: Vec<BTreeMap<Window, String>>,
}

impl Catalog {
    /// Indexes a feature set.
    pub fn new(set: Arc<FeatureSet>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        let mut ids = Vec::new();
        for (index, feature) in set.features().iter().enumerate() {
            let of_windows: BTreeMap<Window, String> =
                feature.windows().map(|window| (window, feature.id(window))).collect();
            for window in feature.windows() {
                let asked = Asked { feature: index, window };
                by_name.entry(feature.name.clone()).or_default().push(asked);
                by_name.entry(of_windows[&window].clone()).or_default().push(asked);
            }
            ids.push(of_windows);
        }
        Self { set, by_name, ids }
    }

    /// The id of what is asked for, such as `short_calls_7d`.
    pub fn id(&self, asked: Asked) -> &str {
        &self.ids[asked.feature][&asked.window]
    }

    /// The feature set.
    pub const fn set(&self) -> &Arc<FeatureSet> {
        &self.set
    }

    /// The feature that is asked for.
    pub fn feature(&self, asked: Asked) -> &Feature {
        &self.set.features()[asked.feature]
    }

    /// Every feature over every window, in the order of the definitions.
    pub fn all(&self) -> impl Iterator<Item = Asked> + '_ {
        let features = self.set.features().iter().enumerate();
        features.flat_map(|(index, feature)| feature.windows().map(move |window| Asked { feature: index, window }))
    }

    /// The levels at which a feature is answered over a window: those it is declared for, and for a stream window
    /// those of them that the stream keeps tiles of.
    pub fn levels(&self, asked: Asked) -> impl Iterator<Item = Level> + '_ {
        let feature = self.feature(asked);
        let streamed = move |level| match asked.window {
            Window::Stream(_) => self.set.is_streamed(feature.party, level),
            Window::Batch(_) => true,
        };
        feature.levels.iter().copied().filter(move |level| streamed(*level))
    }

    /// Resolves the names of a request; none are all features.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selection, RequestError> {
        if names.is_empty() {
            return Ok(Selection(None));
        }
        if names.len() > NAMES_MAX {
            return Err(RequestError::TooManyFeatures { count: names.len(), max: NAMES_MAX });
        }
        let resolve = |(index, name): (usize, &S)| {
            let name = name.as_ref();
            let found = self.by_name.get(name).cloned();
            found.map(|asked| (name.to_owned(), asked)).ok_or_else(|| RequestError::FeatureUnknown {
                index,
                length: name.len(),
                nearest: nearest(name, self.by_name.keys()),
            })
        };
        names.iter().enumerate().map(resolve).collect::<Result<_, _>>().map(|named| Selection(Some(named)))
    }

    /// What a selection means for a level and for a party, or both where none is given. Every name must mean
    /// something.
    pub fn asked(
        &self,
        selection: &Selection,
        party: Option<Party>,
        level: Level,
    ) -> Result<Vec<Asked>, RequestError> {
        let elsewhere =
            |(_, asked): &&(String, Vec<Asked>)| !asked.iter().any(|asked| self.is_of(*asked, party, level));
        if let Some((name, asked)) = selection.0.iter().flatten().find(elsewhere) {
            let offers = self.offers(asked);
            return Err(RequestError::FeatureElsewhere { name: name.clone(), party, level, offers });
        }
        Ok(self.asked_of(selection, party, level))
    }

    /// What of a selection there is for a level and for a party, or both where none is given.
    pub fn asked_of(&self, selection: &Selection, party: Option<Party>, level: Level) -> Vec<Asked> {
        let answers = |asked: &Asked| self.is_of(*asked, party, level);
        let Some(named) = &selection.0 else {
            return self.all().filter(answers).collect();
        };
        let all: BTreeSet<Asked> = named.iter().flat_map(|(_, asked)| asked).copied().filter(answers).collect();
        all.into_iter().collect()
    }

    fn is_of(&self, asked: Asked, party: Option<Party>, level: Level) -> bool {
        party.is_none_or(|party| party == self.feature(asked).party)
            && self.levels(asked).any(|offered| offered == level)
    }

    /// The feature whose series is asked for: the one of that name, or the first plain count of calls where there is no
    /// name; the caller's where no party is given and both have one.
    pub fn series(&self, name: &str, party: Option<Party>, level: Level) -> Result<&Feature, RequestError> {
        let is_for =
            |feature: &&Feature| party.is_none_or(|party| party == feature.party) && feature.levels.contains(&level);
        let features = self.set.features();
        if name.is_empty() {
            let found = features.iter().filter(is_for).find(|feature| self.counts_every_call(feature));
            return found.ok_or(RequestError::SeriesUnnamed { party, level });
        }
        let named: Vec<&Feature> = features.iter().filter(|feature| feature.name == name).collect();
        if named.is_empty() {
            let names: BTreeSet<&String> = features.iter().map(|feature| &feature.name).collect();
            return Err(RequestError::SeriesUnknown {
                length: name.len(),
                nearest: nearest(name, names.into_iter()),
            });
        }
        named.iter().copied().filter(is_for).min_by_key(|feature| feature.party).ok_or_else(|| {
            let offers = named.iter().flat_map(|feature| feature.levels.iter().map(|level| (feature.party, *level)));
            RequestError::SeriesElsewhere { name: name.to_owned(), party, level, offers: offers.collect() }
        })
    }

    fn counts_every_call(&self, feature: &Feature) -> bool {
        let Formula::Slot(slot) = feature.formula else { return false };
        let slot = &self.set.slots(feature.party)[slot];
        slot.kind == SlotKind::Count && slot.condition.is_none()
    }

    fn offers(&self, asked: &[Asked]) -> Vec<(Party, Level)> {
        let offers: BTreeSet<_> = asked
            .iter()
            .flat_map(|asked| self.levels(*asked).map(|level| (self.feature(*asked).party, level)))
            .collect();
        offers.into_iter().collect()
    }
}

/// Those of `names` that one could have meant, nearest first.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    if name.len() > COMPARED_BYTES_MAX {
        return Vec::new();
    }
    let mut near: Vec<(usize, &String)> = names
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(6) / 2)
        .collect();
    near.sort();
    near.truncate(SUGGESTIONS_MAX);
    near.into_iter().map(|(_, known)| known.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog::new(Arc::new(FeatureSet::default_set().unwrap()))
    }

    fn ids(catalog: &Catalog, asked: &[Asked]) -> Vec<String> {
        asked.iter().map(|asked| catalog.feature(*asked).id(asked.window)).collect()
    }

    #[test]
    fn a_name_is_every_window_and_an_id_is_one() {
        let catalog = catalog();
        let selection = catalog.select(&["short_calls_7d", "velocity", "short_calls_7d"]).unwrap();
        let asked = catalog.asked(&selection, Some(Party::Caller), Level::Phone).unwrap();
        let expected = [
            "velocity_5m",
            "velocity_1h",
            "velocity_24h",
            "velocity_1d",
            "velocity_7d",
            "velocity_30d",
            "velocity_90d",
            "short_calls_7d",
        ];
        assert_eq!(ids(&catalog, &asked), expected);
    }

    #[test]
    fn no_names_are_all_features_of_the_party_and_level() {
        let catalog = catalog();
        let all = catalog.select::<&str>(&[]).unwrap();
        let of = |party| catalog.asked(&all, party, Level::Prefix).unwrap();
        let each: Vec<Vec<Asked>> = Party::ALL.into_iter().map(|party| of(Some(party))).collect();
        for (party, asked) in Party::ALL.into_iter().zip(&each) {
            assert!(!asked.is_empty());
            assert!(asked.iter().all(|asked| catalog.feature(*asked).party == party));
        }
        assert_eq!(of(None).len(), each[0].len() + each[1].len());
    }

    #[test]
    fn stream_windows_are_offered_where_the_stream_keeps_tiles() {
        let catalog = catalog();
        let calls = catalog.select(&["calls"]).unwrap();
        let range = catalog.asked(&calls, None, Level::Range).unwrap();
        assert_eq!(ids(&catalog, &range), ["calls_1d", "calls_7d", "calls_30d", "calls_90d"]);
        let error = catalog.asked(&catalog.select(&["calls_5m"]).unwrap(), None, Level::Range).unwrap_err();
        assert_eq!(
            error.to_string(),
            "feature calls_5m is not computed for range: it is for caller phone, caller prefix"
        );
    }

    #[test]
    fn a_feature_of_the_other_party_says_so() {
        let catalog = catalog();
        let selection = catalog.select(&["received_calls_7d"]).unwrap();
        let error = catalog.asked(&selection, Some(Party::Caller), Level::Phone).unwrap_err();
        assert_eq!(error.reason(), "feature_not_for_entity");
        assert!(error.to_string().contains("it is for callee phone, callee prefix, callee range"), "{error}");
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = catalog().select(&["calls_5m", "shrot_calls_7d"]).unwrap_err();
        let RequestError::FeatureUnknown { index: 1, length: 14, nearest } = &error else { panic!("{error:?}") };
        assert_eq!(nearest[0], "short_calls_7d");
        assert!(!error.to_string().contains("shrot"), "what was sent is not repeated: {error}");
        let far = catalog().select(&["x".repeat(10_000)]).unwrap_err();
        assert!(matches!(far, RequestError::FeatureUnknown { ref nearest, .. } if nearest.is_empty()));
    }

    #[test]
    fn a_series_is_of_a_name_or_of_every_call() {
        let catalog = catalog();
        let name = |party, level| catalog.series("", party, level).map(|feature| feature.name.clone());
        assert_eq!(name(None, Level::Phone).unwrap(), "calls");
        assert_eq!(name(Some(Party::Callee), Level::Range).unwrap(), "received_calls");
        assert_eq!(catalog.series("distinct_cells", None, Level::Phone).unwrap().name, "distinct_cells");
        let error = catalog.series("distinct_cells", None, Level::Range).unwrap_err();
        assert!(error.to_string().contains("it is for caller phone"), "{error}");
        // An id is no name: a series has no window.
        let error = catalog.series("short_calls_7d", None, Level::Phone).unwrap_err();
        assert_eq!((error.reason(), error.field()), ("feature_unknown", ("feature", 14)));
        assert!(error.to_string().contains("the nearest are short_calls"), "{error}");
        assert!(!error.to_string().contains("7d"), "{error}");
    }

    #[test]
    fn the_list_of_names_is_bounded() {
        let names = vec!["calls_5m"; NAMES_MAX + 1];
        assert!(matches!(catalog().select(&names), Err(RequestError::TooManyFeatures { count: 1_001, .. })));
    }
}
