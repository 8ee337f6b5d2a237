//! What a run reads and which days it builds anew, by the ledger of the run before.
//!
//! A day is built from all objects that have calls of it, or not at all: so a call that comes late reaches its day, and
//! a copy of it in any other object counts once. Objects leave the input in time. A day that is in a tile with the
//! calls of an object that is gone cannot be built again without losing them: its tile stays as it is, and the
//! ledger notes what is not in it.

use std::collections::{BTreeMap, BTreeSet};

use objects::{ObjectMeta, Version};
use snapshot::{Ledger, LedgerObject, LeftOut, UtcDay};

use crate::input::Wanted;

/// The ledger on its way from one snapshot to the next.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    ledger: Ledger,
    /// Days that have a tile.
    tiled: BTreeSet<UtcDay>,
    /// Days that what was taken in has calls of, or had before it changed; each with these objects.
    touched: BTreeMap<UtcDay, BTreeSet<String>>,
}

impl Books {
    /// Begins with the ledger of the published snapshot and the days that it has tiles of.
    pub(crate) const fn open(ledger: Ledger, tiled: BTreeSet<UtcDay>) -> Self {
        Self { ledger, tiled, touched: BTreeMap::new() }
    }

    /// The ledger as it is now.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Notes which objects are gone, and returns those whose listed version is another one or not known, or that are
    /// among `replaced`.
    pub(crate) fn compare(&mut self, listed: &[Wanted], replaced: &BTreeSet<String>) -> Vec<Wanted> {
        for object in self.ledger.objects.values_mut() {
            object.gone = true;
        }
        let mut others = Vec::new();
        for file in listed {
            let known = self.ledger.objects.get_mut(&file.meta.key);
            let is_known = known.is_some_and(|object| {
                object.gone = false;
                object.listed_version() == file.meta.version && !replaced.contains(&file.meta.key)
            });
            if !is_known {
                others.push(file.clone());
            }
        }
        others
    }

    /// Whether an object of this key was read before, whatever was in it.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.ledger.objects.contains_key(key)
    }

    /// Whether an object has the content that was read before. If so, it is known by its new listed version.
    pub(crate) fn is_same(&mut self, meta: &ObjectMeta, content: &Version) -> bool {
        let known = self.ledger.objects.get_mut(&meta.key).filter(|object| object.version == content.as_str());
        let is_same = known.is_some();
        if let Some(object) = known {
            object.listed = (meta.version != *content).then(|| meta.version.as_str().to_owned());
        }
        is_same
    }

    /// Takes in an object that was read.
    pub(crate) fn take_in(&mut self, key: &str, object: LedgerObject) {
        let days = object.days.keys().copied().collect::<Vec<_>>();
        let before = self.ledger.objects.insert(key.to_owned(), object);
        let before = before.into_iter().flat_map(|before| before.days.into_keys().chain(before.left_out));
        for day in days.into_iter().chain(before) {
            self.touched.entry(day).or_default().insert(key.to_owned());
        }
    }

    /// Decides which days are built anew: of those in `window` and those that have a tile, the ones that what was
    /// taken in touches, the ones that have calls and no tile, and the ones that objects were left out of and that can
    /// be built now. Notes what is left out of the others.
    pub(crate) fn settle(&mut self, window: &BTreeSet<UtcDay>) -> BTreeSet<UtcDay> {
        let is_kept = |day: &UtcDay| window.contains(day) || self.tiled.contains(day);
        let mut days: BTreeSet<UtcDay> = self.touched.keys().copied().filter(is_kept).collect();
        for object in self.ledger.objects.values().filter(|object| !object.gone) {
            days.extend(object.left_out.iter().copied().filter(is_kept));
            days.extend(object.days.keys().filter(|day| window.contains(day) && !self.tiled.contains(day)));
        }
        let blocked = self.blocked();
        days.retain(|day| {
            if blocked.contains(day) {
                for key in self.touched.get(day).into_iter().flatten() {
                    if let Some(object) = self.ledger.objects.get_mut(key) {
                        object.left_out.insert(*day);
                    }
                }
            }
            !blocked.contains(day)
        });
        for object in self.ledger.objects.values_mut() {
            if object.gone {
                // Of days without a tile it is lost, whether they are built from others or from none.
                let lost = |day: &&UtcDay| days.contains(day) || window.contains(day) && !self.tiled.contains(day);
                object.left_out.extend(object.days.keys().filter(lost));
            } else {
                object.left_out.retain(|day| !days.contains(day));
            }
        }
        days
    }

    /// Days in whose tiles there are calls that could not be read again.
    fn blocked(&self) -> BTreeSet<UtcDay> {
        let gone = self.ledger.objects.values().filter(|object| object.gone);
        let counted = gone.flat_map(|object| object.days.keys().filter(|day| !object.left_out.contains(day)));
        counted.copied().filter(|day| self.tiled.contains(day)).collect()
    }

    /// Whether an object must be read again to build these days: it was not taken in by this run, and is there.
    pub(crate) fn is_needed(&self, key: &str, days: &BTreeSet<UtcDay>) -> bool {
        self.ledger.objects.get(key).is_some_and(|object| {
            let is_fresh = object.days.keys().any(|day| self.touched.get(day).is_some_and(|keys| keys.contains(key)));
            !object.gone && !is_fresh && object.days.keys().any(|day| days.contains(day))
        })
    }

    /// Whether an object that was read again is what the ledger says it is.
    pub(crate) fn agrees(&self, key: &str, read: &LedgerObject) -> bool {
        self.ledger.objects.get(key).is_some_and(|known| known.version == read.version && known.days == read.days)
    }

    /// Records that are not in the tiles of these days, by day.
    pub(crate) fn left_out(&self, days: &BTreeSet<UtcDay>) -> Vec<LeftOut> {
        let mut found: BTreeMap<UtcDay, u64> = BTreeMap::new();
        for object in self.ledger.objects.values() {
            for day in object.left_out.iter().filter(|day| days.contains(day)) {
                *found.entry(*day).or_default() += object.days.get(day).unwrap_or(&0);
            }
        }
        for (day, records) in self.ledger.forgotten.iter().filter(|(day, _)| days.contains(day)) {
            *found.entry(*day).or_default() += records;
        }
        found.into_iter().map(|(date, records)| LeftOut { date, records }).collect()
    }

    /// The ledger for the next run. Objects that are gone and have no day from `kept_from` on are forgotten, but for how
    /// many calls of which days they had: their tiles are let go, and a run for an earlier day may build such a day
    /// from what is left.
    pub(crate) fn close(mut self, kept_from: UtcDay) -> Ledger {
        let forgotten = &mut self.ledger.forgotten;
        self.ledger.objects.retain(|_, object| {
            let is_kept = !object.gone || object.days.keys().chain(&object.left_out).any(|day| *day >= kept_from);
            if !is_kept {
                for (day, calls) in &object.days {
                    *forgotten.entry(*day).or_default() += calls;
                }
            }
            is_kept
        });
        self.ledger
    }
}

#[cfg(test)]
mod tests;
