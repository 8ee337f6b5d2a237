//! `tollwatch backfill`: the tiles of a lost or a new table, counted again from the archive by the consumer itself.
//!
//! A backfill is a shard of its own. The archive says when each record arrived, so that what was too late then is too
//! late again; a call that the stream counts into the same table meanwhile is a duplicate for one of the two.

mod calls;
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::features::{DAY_MS, FeatureSet, HOUR_MS};
use anyhow::{Context as _, anyhow, bail};
use cdr::NumberPlan;
use count_calls::{
    BatchReport, CallCounter, CounterSettings, Lateness, Quarantine, QuarantineError, QuarantinedRecord,
};
use event_source::{Record, kinesis_event};
use indicatif::HumanCount;
use objects::{Location, Objects};
use tiles::{DynamoTiles, move_coverage_back};
use tokio::time::{Instant, sleep};

use crate::backfill::plan::{Group, Plan, Purpose};
use crate::defaults::{FeatureFile, TILE_TABLE};
use crate::endpoints::Endpoint;
use crate::failure::{Blame as _, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::run_folder;
use crate::{clock, locations, progress, times};

/// Of its records: derived tiles of a backfill have a writer of their own.
const STREAM_ARN: &str = "arn:aws:kinesis:::stream/tollwatch-backfill";
/// Records handed to the consumer at a time.
const BATCH_RECORDS: usize = 5_000;
/// Time that a batch may take.
const BATCH_TIME_MAX: Duration = Duration::from_mins(5);
/// Attempts at a batch that gets no further, and the pause between two.
const ATTEMPTS_MAX: u32 = 8;
const PAUSE: Duration = Duration::from_secs(2);
/// Objects copied from S3 at once.
const FETCHES_IN_FLIGHT: usize = 8;
/// Kinesis keeps records for a year at most.
const HOURS_MAX: i64 = 8_760;
/// Days of tiles that windows up to now read: today, and what a snapshot of the day before yesterday lacks.
const DAYS: i64 = 3;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The archive: the folder or s3://bucket/prefix below which the hours lie, such as .tollwatch/raw
    #[arg(long, value_name = "LOCATION")]
    from: Location,
    /// The DynamoDB table of tiles, which exists
    #[arg(long = "to", value_name = "TABLE", default_value = TILE_TABLE)]
    table: String,
    /// What is to be done and how far it is; made where it is missing. A backfill that was broken off goes on with it
    #[arg(long, value_name = "FILE", default_value = "backfill.json")]
    plan: PathBuf,
    /// Leave out calls that began before [default: midnight UTC two days ago]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    since: Option<i64>,
    /// A local DynamoDB [default: that of the AWS account]
    #[arg(long, value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// Hours that a call was allowed to be old when it arrived, as the consumer has it
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    allowed_lateness: i64,
    /// Hours that the stream keeps records, as the consumer has it: tiles live longer for it
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    stream_retention: i64,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Counts what is in the archive.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let archive = locations::open(&arguments.from).await?;
    archive.check_exists().await.or_user()?;
    let endpoint = Endpoint { flag: "--dynamodb-endpoint", url: arguments.dynamodb_endpoint.as_deref() };
    let tiles = DynamoTiles::new(endpoint.dynamodb().await?, &arguments.table);
    endpoint.check_table(&tiles, &arguments.table, "--to").await?;

    let now_ms = clock::now_ms();
    let mut objects = archive.list("").await.or_user()?;
    objects.retain(|object| batch::is_call_file(&object.key));
    let found = Plan::read(&arguments.plan).or_user()?;
    let since_ms = match (arguments.since, &found) {
        (Some(since_ms), _) => since_ms,
        // Midnight may have passed since it was begun.
        (None, Some(plan)) => plan.of.since_ms,
        (None, None) => now_ms - now_ms.rem_euclid(DAY_MS) - (DAYS - 1) * DAY_MS,
    };
    let purpose = Purpose {
        from: arguments.from.to_string(),
        table: arguments.table,
        feature_set_version: set.version().to_owned(),
        since_ms,
        allowed_lateness_ms: arguments.allowed_lateness * HOUR_MS,
        retention_ms: arguments.stream_retention * HOUR_MS,
    };
    let plan = match found {
        Some(plan) => {
            plan.check(&purpose, &objects, &arguments.plan).or_user()?;
            plan
        }
        None => Plan::new(format!("backfill-{now_ms}"), purpose, objects),
    };
    if plan.groups.is_empty() {
        let error = anyhow!("{} holds no calls of this time: check --from and --since", arguments.from);
        return error_of_user(error);
    }
    plan.write(&arguments.plan).or_user()?;
    if plan.done == plan.groups.len() {
        return print(&format!(
            "nothing to do: plan {} is done; name another file to begin anew\n",
            arguments.plan.display()
        ));
    }
    let copies = run_folder::make()?;
    let folder = copies.path().to_owned();
    let mut backfill = Backfill::new(archive, tiles, set, plan, arguments.plan, copies, now_ms).or_internal()?;
    let work = async {
        backfill.count().await.or_internal()?;
        Ok(backfill.report)
    };
    let report = unless_interrupted("the same command goes on where it was", Some(&folder), work).await?;
    print(&report.text())
}

fn error_of_user(error: anyhow::Error) -> Outcome {
    Err(error).or_user()
}

/// Nothing is set aside twice: what can never count was set aside when it arrived.
struct SetAsideBefore;

impl Quarantine for SetAsideBefore {
    async fn put(&self, _: &str, _: &QuarantinedRecord) -> Result<(), QuarantineError> {
        Ok(())
    }
}

/// A backfill at work.
struct Backfill {
    archive: Objects,
    tiles: DynamoTiles,
    set: Arc<FeatureSet>,
    numbers: Arc<NumberPlan>,
    counter: CallCounter<DynamoTiles, SetAsideBefore>,
    plan: Plan,
    path: PathBuf,
    copies: ::batch::RunFolder,
    report: Report,
}

/// What it did.
#[derive(Default)]
struct Report {
    groups: usize,
    counts: BatchReport,
    refused: u64,
    before: u64,
}

impl Report {
    fn text(&self) -> String {
        let counts = &self.counts;
        format!(
            "read     {} groups of objects, {} calls\ncounted  {} calls, {} before, {} duplicates, {} too late or \
             early\nleft out {} calls that began earlier, {} rows that are no calls\nunits    {:.0} write units\n",
            HumanCount(self.groups as u64),
            HumanCount(counts.received),
            HumanCount(counts.counted + counts.unchecked),
            HumanCount(counts.counted_before),
            HumanCount(counts.duplicates),
            HumanCount(counts.quarantined.values().sum()),
            HumanCount(self.before),
            HumanCount(self.refused),
            counts.write_units,
        )
    }
}

impl Backfill {
    fn new(
        archive: Objects,
        tiles: DynamoTiles,
        set: Arc<FeatureSet>,
        plan: Plan,
        path: PathBuf,
        copies: ::batch::RunFolder,
        now_ms: i64,
    ) -> anyhow::Result<Self> {
        let numbers = Arc::new(NumberPlan::new(&set.settings().default_region)?);
        let settings = CounterSettings {
            lateness: Lateness { allowed_ms: plan.of.allowed_lateness_ms },
            retention_ms: plan.of.retention_ms,
            // Answers stay marked until all of it is there.
            covers_from_ms: Some(now_ms),
            ..CounterSettings::default()
        };
        let counter =
            CallCounter::new(tiles.clone(), SetAsideBefore, Arc::clone(&set), Arc::clone(&numbers), settings);
        Ok(Self { archive, tiles, set, numbers, counter, plan, path, copies, report: Report::default() })
    }

    /// Counts the groups that are left, one after the other.
    async fn count(&mut self) -> anyhow::Result<()> {
        let bar = progress::bar("count the archive", self.plan.groups.len() as u64, "groups");
        while let Some(group) = self.plan.groups.get(self.plan.done) {
            bar.set_position(self.plan.done as u64);
            let read = self.read(group).await.with_context(|| format!("group {} of the archive", group.name))?;
            self.report.groups += 1;
            self.report.refused += read.refused;
            self.report.before += read.before;
            for batch in read.records.chunks(BATCH_RECORDS) {
                self.deliver(batch).await?;
            }
            self.plan.done += 1;
            self.plan.write(&self.path)?;
        }
        bar.finish_and_clear();
        let since_ms = self.plan.of.since_ms;
        move_coverage_back(&self.tiles, self.set.version(), since_ms).await?;
        Ok(())
    }

    /// The records of a group; its calls are in memory together, some 700 bytes each.
    async fn read(&self, group: &Group) -> anyhow::Result<calls::Read> {
        use futures::{StreamExt as _, TryStreamExt as _};
        let folder = self.copies.path();
        let fetch = |(number, key): (usize, &String)| {
            let key = key.clone();
            async move {
                if let Some(path) = self.archive.local_path(&key) {
                    return Ok(path);
                }
                // The ending tells the format.
                let name = key.rsplit('/').next().unwrap_or(&key);
                let path = folder.join(format!("{number}-{name}"));
                self.archive.download_to(&key, &path).await?;
                Ok::<_, objects::Error>(path)
            }
        };
        let keys = group.objects.iter().map(|object| &object.key).enumerate();
        let files: Vec<PathBuf> =
            futures::stream::iter(keys.map(fetch)).buffered(FETCHES_IN_FLIGHT).try_collect().await?;
        let (numbers, number, since_ms) = (Arc::clone(&self.numbers), self.plan.done, self.plan.of.since_ms);
        let copies: Vec<PathBuf> = files.iter().filter(|path| path.starts_with(folder)).cloned().collect();
        let read = tokio::task::spawn_blocking(move || calls::read(&files, number, since_ms, &numbers)).await??;
        copies.iter().try_for_each(std::fs::remove_file)?;
        Ok(read)
    }

    /// Has the consumer count a batch, from the first record that it left undone until there is none.
    async fn deliver(&mut self, batch: &[Record]) -> anyhow::Result<()> {
        let (mut next, mut attempts) = (0, 0);
        while next < batch.len() {
            let event = kinesis_event(STREAM_ARN, &self.plan.id, &batch[next..]);
            let (response, report) = self.counter.handle(event, Instant::now() + BATCH_TIME_MAX).await?;
            self.report.counts.merge(&report);
            let undone = response.batch_item_failures.first().and_then(|failure| failure.item_identifier.as_deref());
            let Some(undone) = undone else { break };
            let place = batch.iter().position(|record| record.sequence_number == undone);
            let place = place.context("the consumer named a record that it was not given")?;
            attempts = if place > next { 0 } else { attempts + 1 };
            if attempts >= ATTEMPTS_MAX {
                bail!("table {} takes no more writes: the same command goes on where it was", self.plan.of.table);
            }
            next = place;
            sleep(PAUSE).await;
        }
        Ok(())
    }
}
