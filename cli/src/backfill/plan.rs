//! What a backfill does, written down before it begins: which objects, in which order, and how many groups of them
//! are done. The positions of its records follow from it, so that a backfill that was broken off goes on where it
//! was, and no tile takes a call twice.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ::features::HOUR_MS;
use anyhow::{Context as _, bail};
use objects::ObjectMeta;
use serde::{Deserialize, Serialize};
use snapshot::UtcDay;

/// Raised when the file or the order of records changes.
const FORMAT: u32 = 1;
/// Calls may begin this much after their arrival, and a bit.
const AHEAD_MS: i64 = HOUR_MS;

/// A plan, as its file holds it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    format: u32,
    /// Names the shard of the backfill.
    pub(super) id: String,
    pub(super) of: Purpose,
    pub(super) groups: Vec<Group>,
    /// Groups whose calls are in the table.
    pub(super) done: usize,
}

/// What must be the same when a backfill goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Purpose {
    pub(super) from: String,
    pub(super) table: String,
    pub(super) feature_set_version: String,
    /// Calls that began before are left out, in milliseconds since 1970 UTC.
    pub(super) since_ms: i64,
    pub(super) allowed_lateness_ms: i64,
    pub(super) retention_ms: i64,
}

impl Purpose {
    /// The options that are others in a plan than they are now, in words.
    fn differences(&self, now: &Self) -> Vec<String> {
        let hours = |time_ms: i64| (time_ms / HOUR_MS).to_string();
        let time = |time_ms: i64| cdr::format_time(time_ms);
        let options = [
            ("--from", self.from.clone(), now.from.clone()),
            ("--to", self.table.clone(), now.table.clone()),
            ("the feature set (--definitions)", self.feature_set_version.clone(), now.feature_set_version.clone()),
            ("--since", time(self.since_ms), time(now.since_ms)),
            ("--allowed-lateness", hours(self.allowed_lateness_ms), hours(now.allowed_lateness_ms)),
            ("--stream-retention", hours(self.retention_ms), hours(now.retention_ms)),
        ];
        let others = options.into_iter().filter(|(_, before, now)| before != now);
        others.map(|(option, before, now)| format!("{option} is {before} in the plan and {now} now")).collect()
    }
}

/// Objects whose records are put in order together: those of an hour of arrival, or one that is of no hour.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) objects: Vec<PlannedObject>,
}

/// An object as it was when the plan was made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedObject {
    pub(super) key: String,
    version: String,
}

impl Plan {
    /// A plan over these objects. Hours that ended before calls are asked for are left out.
    pub(super) fn new(id: String, of: Purpose, objects: Vec<ObjectMeta>) -> Self {
        let mut groups: BTreeMap<String, Vec<PlannedObject>> = BTreeMap::new();
        for ObjectMeta { key, version, .. } in objects {
            let hour = hour_of(&key);
            if hour.is_some_and(|start_ms| start_ms + HOUR_MS + AHEAD_MS <= of.since_ms) {
                continue;
            }
            let name = if hour.is_some() { key[..HOUR_BYTES].to_owned() } else { key.clone() };
            groups.entry(name).or_default().push(PlannedObject { key, version: version.as_str().to_owned() });
        }
        let groups = groups.into_iter().map(|(name, objects)| Group { name, objects }).collect();
        Self { format: FORMAT, id, of, groups, done: 0 }
    }

    /// The plan in a file; `None` where there is no file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("plan {} cannot be read", path.display())),
        };
        let plan: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no plan of a backfill: name another file with --plan", path.display()))?;
        if plan.format != FORMAT {
            bail!("plan {} was made by another version of Tollwatch: name another file with --plan", path.display());
        }
        Ok(Some(plan))
    }

    /// Replaces the file; a reader sees the old plan or this one.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut file =
                tempfile::NamedTempFile::new_in(folder.map_or_else(|| PathBuf::from("."), Path::to_owned))?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("plan {} cannot be written", path.display()))
    }

    /// Fails unless the plan is for this purpose and the objects that are left are what they were. Objects that are
    /// new since are fine: another backfill counts them.
    pub(super) fn check(&self, of: &Purpose, objects: &[ObjectMeta], path: &Path) -> anyhow::Result<()> {
        let path = path.display();
        let differences = self.of.differences(of);
        if !differences.is_empty() {
            bail!(
                "plan {path} is of another backfill: {}. Give what the plan has to go on with it, or name another file with \
                 --plan to begin anew",
                differences.join("; ")
            );
        }
        let versions: BTreeMap<&str, &str> =
            objects.iter().map(|object| (object.key.as_str(), object.version.as_str())).collect();
        for object in self.groups[self.done.min(self.groups.len())..].iter().flat_map(|group| &group.objects) {
            if versions.get(object.key.as_str()) != Some(&object.version.as_str()) {
                bail!(
                    "{} of the archive is gone or changed since plan {path} was made: empty the table and begin anew \
                     with another file",
                    object.key
                );
            }
        }
        Ok(())
    }
}

/// Bytes of `2026/11/21/07`.
const HOUR_BYTES: usize = 13;

/// The start of the hour of arrival that a key of the archive names.
fn hour_of(key: &str) -> Option<i64> {
    let (hour, rest) = key.split_at_checked(HOUR_BYTES)?;
    if !rest.starts_with('/') {
        return None;
    }
    let (day, hour) = hour.rsplit_once('/')?;
    let day: UtcDay = day.replace('/', "-").parse().ok()?;
    let hour: i64 = hour.parse().ok().filter(|hour| (0..24).contains(hour))?;
    Some(day.start_ms() + hour * HOUR_MS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use objects::Version;

    use super::*;

    fn object(key: &str, version: &str) -> ObjectMeta {
        ObjectMeta { key: key.to_owned(), size: 1, version: Version::new(version), modified_secs: None }
    }

    fn purpose(since: &str) -> Purpose {
        Purpose {
            from: "raw".to_owned(),
            table: "t".to_owned(),
            feature_set_version: "v".to_owned(),
            since_ms: since.parse::<UtcDay>().unwrap().start_ms(),
            allowed_lateness_ms: 1,
            retention_ms: 1,
        }
    }

    #[test]
    fn a_plan_of_other_options_says_which() {
        let plan = Plan::new("id".into(), purpose("2026-11-20"), vec![object("a", "1")]);
        let other = Purpose { from: "old".to_owned(), allowed_lateness_ms: 2 * HOUR_MS, ..purpose("2026-11-19") };
        let told = plan.check(&other, &[object("a", "1")], Path::new("p.json")).unwrap_err().to_string();
        for words in [
            "plan p.json is of another backfill: --from is raw in the plan and old now; ",
            "; --since is 2026-11-20T00:00:00.000Z in the plan and 2026-11-19T00:00:00.000Z now; ",
            "; --allowed-lateness is 0 in the plan and 2 now. ",
            "--plan",
        ] {
            assert!(told.contains(words), "{words:?} is not in {told}");
        }
        assert!(!told.contains("--to") && !told.contains('{'), "{told}");
    }

    #[test]
    fn hours_are_groups_and_old_ones_are_left_out() {
        let keys = ["2026/11/19/22/a", "2026/11/19/23/a", "2026/11/20/03/a", "2026/11/20/03/b", "history/x.parquet"];
        let plan = Plan::new("id".into(), purpose("2026-11-20"), keys.map(|key| object(key, "1")).to_vec());
        let names: Vec<_> = plan.groups.iter().map(|group| (group.name.as_str(), group.objects.len())).collect();
        assert_eq!(names, [("2026/11/19/23", 1), ("2026/11/20/03", 2), ("history/x.parquet", 1)]);
    }

    #[test]
    fn what_looks_like_an_hour_but_is_none_is_a_group_of_its_own() {
        for key in ["2026/11/20/24/a", "2026/13/20/03/a", "2026/11/20/03", "2026/11/20/03a/b", "é026/11/20/0/a"] {
            assert_eq!(hour_of(key), None, "{key}");
        }
    }

    #[test]
    fn it_goes_on_only_with_what_it_was_made_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        assert!(Plan::read(&path).unwrap().is_none());
        let objects = [object("2026/11/20/03/a", "1"), object("2026/11/20/04/a", "1")];
        let mut plan = Plan::new("id".into(), purpose("2026-11-20"), objects.to_vec());
        plan.write(&path).unwrap();
        let read = Plan::read(&path).unwrap().unwrap();
        assert_eq!(read, plan);
        read.check(&purpose("2026-11-20"), &objects, &path).unwrap();
        assert!(read.check(&purpose("2026-11-21"), &objects, &path).is_err());
        let changed = [object("2026/11/20/03/a", "2"), object("2026/11/20/04/a", "1")];
        let error = read.check(&purpose("2026-11-20"), &changed, &path).unwrap_err().to_string();
        assert!(error.contains("2026/11/20/03/a"), "{error}");
        // What is done may go: archives have a lifecycle.
        plan.done = 1;
        plan.check(&purpose("2026-11-20"), &changed, &path).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(Plan::read(&path).is_err());
    }
}
