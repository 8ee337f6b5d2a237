//! What a run goes on from: the published snapshot, if its day tiles are of the same definitions and the same input.

use std::collections::BTreeSet;

use features::{BATCH_DAYS_MAX, FeatureSet};
use snapshot::{Ledger, Manifest, Publication, SnapshotError, Source, UtcDay};

use crate::ledger::Books;
use crate::{BatchError, BatchOptions};

/// Tiles of that many days before the longest window are kept, so that a run for an earlier day finds them.
const DAYS_KEPT_BEFORE: i32 = 7;

/// What to do with day tiles that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rebuild {
    /// Refuse to run where they are of other definitions or another input, or cannot be read.
    #[default]
    Never,
    /// Make everything anew in these cases.
    WhereOther,
    /// Make everything anew.
    Always,
}

/// The snapshot that a run goes on from, or none.
pub(crate) struct Base {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) ledger: Ledger,
}

/// The days that a run is about.
#[derive(Clone, Debug)]
pub(crate) struct Days {
    /// Those of the longest window.
    pub(crate) window: BTreeSet<UtcDay>,
    /// Tiles of days before this are let go.
    pub(crate) kept_from: UtcDay,
}

impl Days {
    pub(crate) fn of(as_of: UtcDay) -> Self {
        let first = 1 - BATCH_DAYS_MAX.cast_signed();
        let window = (first..=0).map(|day| as_of.plus(day)).collect();
        Self { window, kept_from: as_of.plus(first - DAYS_KEPT_BEFORE) }
    }
}

impl Base {
    /// Looks at what is published. Fails where it cannot be gone on from and the options do not ask for a rebuild.
    pub(crate) async fn find(
        publication: &Publication,
        options: &BatchOptions,
        set: &FeatureSet,
    ) -> Result<Self, BatchError> {
        let source = options.input.source(&options.read);
        let anew = |source| Ok(Self { manifest: None, ledger: Ledger::new(source) });
        let Some(manifest) = publication.current().filter(|_| options.rebuild != Rebuild::Always) else {
            return anew(source);
        };
        let may_be_other = options.rebuild == Rebuild::WhereOther;
        let output = || options.output.location().to_string();
        let is_same_hash = manifest.feature_set_hash.as_deref().is_none_or(|hash| hash == set.hash());
        if manifest.feature_set_version != set.version() || !is_same_hash {
            if may_be_other {
                return anew(source);
            }
            let hash = manifest.feature_set_hash.as_ref().filter(|_| manifest.feature_set_version == set.version());
            return Err(BatchError::OtherDefinitions {
                output: output(),
                found: hash.unwrap_or(&manifest.feature_set_version).clone(),
                expected: if hash.is_some() { set.hash() } else { set.version() }.to_owned(),
            });
        }
        // Made before there were ledgers: its tiles are not known to be whole.
        let Some(file) = &manifest.ledger else { return anew(source) };
        let ledger = match Ledger::read(&options.output, file).await {
            Ok(ledger) => ledger,
            Err(SnapshotError::Objects(error)) => return Err(error.into()),
            Err(_) if may_be_other => return anew(source),
            Err(error) => return Err(error.into()),
        };
        if ledger.source != source {
            if may_be_other {
                return anew(source);
            }
            let shown = |source: &Source| format!("{} ({})", source.location, source.reading);
            let (found, expected) = (shown(&ledger.source), shown(&source));
            return Err(BatchError::OtherInput { output: output(), found, expected });
        }
        Ok(Self { manifest: Some(manifest.clone()), ledger })
    }

    /// The books to begin with.
    pub(crate) fn books(&mut self, days: &Days) -> Books {
        let source = self.ledger.source.clone();
        let ledger = std::mem::replace(&mut self.ledger, Ledger::new(source));
        let tiled = self.manifest.iter_mut().flat_map(|manifest| {
            manifest.days.retain(|tiles| tiles.date >= days.kept_from);
            manifest.days.iter().map(|tiles| tiles.date)
        });
        Books::open(ledger, tiled.collect())
    }
}
