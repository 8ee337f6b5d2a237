//! `tollwatch quarantine redrive`: records back on their stream.
//!
//! The object of a record is deleted once the stream has accepted the record. What dies between the two puts the
//! record on the stream again at the next redrive: it is the same call both times, and counts once. An aggregate
//! that was set aside whole is put back whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::{Context as _, anyhow};
use aws_sdk_kinesis::Client as Kinesis;
use cdr::{NumberPlan, Reason};
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::HumanCount;

use crate::defaults::STREAM;
use crate::endpoints::Endpoint;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::pipeline::{Outgoing, put_records};
use crate::progress;
use crate::quarantine::stored::{Line, Place, Store, by_reason, is_key, parse_reason, position_of, reason_of};

/// Records put together: a quota of `PutRecords`.
const PUT_RECORDS: usize = 500;
/// Bytes put together, well below what a request may have. A larger record goes alone.
const PUT_BYTES: usize = 4 * 1024 * 1024;
/// Objects deleted at a time.
const DELETES_IN_FLIGHT: usize = 16;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only records that were set aside for this reason
    #[arg(long, value_parser = parse_reason)]
    reason: Option<Reason>,
    /// Repaired records, in the lines of `list --json`: each goes on the stream instead of the one that its key names
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The stream
    #[arg(long, default_value = STREAM)]
    stream: String,
    /// A local Kinesis, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, alias = "endpoint", value_name = "URL")]
    endpoint_url: Option<String>,
    /// Region of numbers without a country, ISO 3166-1: records go to the shard of their caller
    #[arg(long, default_value = "US")]
    region: String,
    #[command(flatten)]
    place: Place,
    /// Say what would be put back, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Puts the records on the stream and takes them out of quarantine.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let plan = NumberPlan::new(&arguments.region).context("--region").or_user()?;
    let store = arguments.place.open().await?;
    let endpoint = Endpoint { flag: "--endpoint-url", url: arguments.endpoint_url.as_deref() };
    let kinesis = match arguments.dry_run {
        true => None,
        false => {
            let kinesis = endpoint.kinesis().await?;
            endpoint.check_stream(&kinesis, &arguments.stream).await?;
            Some(kinesis)
        }
    };
    let mut redrive = Redrive::new(kinesis, arguments.stream, store, plan);
    let work = async {
        match &arguments.from {
            Some(file) => redrive.repaired(file, arguments.reason).await?,
            None => redrive.as_they_came(arguments.reason).await?,
        }
        redrive.put().await?;
        Ok(redrive)
    };
    let what = "records that are on the stream and still in quarantine count once all the same";
    let Redrive { stream, told, .. } = unless_interrupted(what, None, work).await?;
    told.hint();
    print(&told.summary(&stream, arguments.dry_run))
}

/// Records on their way back.
struct Redrive {
    /// None where nothing is to be done.
    kinesis: Option<Kinesis>,
    stream: String,
    store: Store,
    plan: NumberPlan,
    next: Vec<Outgoing>,
    next_bytes: usize,
    /// Keys whose records are all put once those of `next` are.
    settled: Vec<String>,
    told: Told,
}

/// What is said at the end.
#[derive(Default)]
struct Told {
    /// Records by the reason for which they were set aside.
    records: BTreeMap<String, u64>,
    /// Those of them that are no call as they are.
    invalid: u64,
    /// Those of a file that are in quarantine no longer.
    gone: u64,
}

impl Redrive {
    fn new(kinesis: Option<Kinesis>, stream: String, store: Store, plan: NumberPlan) -> Self {
        let (next, settled) = (Vec::new(), Vec::new());
        Self { kinesis, stream, store, plan, next, next_bytes: 0, settled, told: Told::default() }
    }

    /// Takes what is in quarantine now. What is set aside meanwhile stays.
    async fn as_they_came(&mut self, reason: Option<Reason>) -> Outcome {
        let keys = self.store.keys(reason).await?;
        let bar = progress::bar("put records back", keys.len() as u64, "records");
        let mut records = pin!(self.store.read(keys));
        while let Some(stored) = records.next().await {
            let stored = stored?;
            self.take(stored.key, stored.bytes, true).await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Takes the records of a file whose keys are in quarantine. Several lines may have one key, as when an
    /// aggregate was taken apart by hand.
    async fn repaired(&mut self, file: &Path, reason: Option<Reason>) -> Outcome {
        let mut records = read_lines(file).or_user()?;
        records.retain(|(key, _)| reason.is_none_or(|reason| reason_of(key) == reason.as_str()));
        let present: HashSet<String> = self.store.keys(None).await?.into_iter().collect();
        let given = records.len();
        records.retain(|(key, _)| present.contains(key));
        self.told.gone = (given - records.len()) as u64;
        if records.is_empty() && given > 0 {
            let (file, place) = (file.display(), self.store.location());
            let why = "they were put back before, or --at names another place";
            return Err(Failure::user(anyhow!("none of the records of {file} is in quarantine in {place}: {why}")));
        }
        let last: HashMap<String, usize> = records.iter().enumerate().map(|(n, (key, _))| (key.clone(), n)).collect();
        for (n, (key, bytes)) in records.into_iter().enumerate() {
            let is_last = last.get(&key) == Some(&n);
            self.take(key, bytes, is_last).await?;
        }
        Ok(())
    }

    async fn take(&mut self, key: String, bytes: Vec<u8>, is_last_of_key: bool) -> Outcome {
        if self.next.len() >= PUT_RECORDS || self.next_bytes + bytes.len() > PUT_BYTES {
            self.put().await?;
        }
        let partition_key = match cdr::parse(&self.plan, &bytes) {
            Ok(parsed) => parsed.record.caller.as_str().to_owned(),
            Err(_) => {
                let is_whole_aggregate = cdr::is_aggregate(&bytes) && cdr::deaggregate(&bytes).is_ok();
                self.told.invalid += u64::from(!is_whole_aggregate);
                position_of(&key).to_owned()
            }
        };
        *self.told.records.entry(reason_of(&key).to_owned()).or_default() += 1;
        self.next_bytes += bytes.len();
        self.next.push(Outgoing { partition_key, bytes });
        if is_last_of_key {
            self.settled.push(key);
        }
        Ok(())
    }

    /// Puts what was taken, then forgets it.
    async fn put(&mut self) -> Outcome {
        if let Some(kinesis) = &self.kinesis {
            put_records(kinesis, &self.stream, &self.next).await.or_internal()?;
            let deletes = futures::stream::iter(self.settled.iter().map(Ok));
            let deleted = deletes.try_for_each_concurrent(DELETES_IN_FLIGHT, |key| self.store.delete(key)).await;
            let what = "records are on the stream again and still in quarantine; to redrive them once more is safe";
            deleted.context(what).or_internal()?;
        }
        self.next.clear();
        self.next_bytes = 0;
        self.settled.clear();
        Ok(())
    }
}

impl Told {
    /// What is likely to come back, on the error stream.
    fn hint(&self) {
        let of = |reason: Reason| self.records.get(reason.as_str()).copied().unwrap_or(0);
        let (too_late, from_future) = (of(Reason::TooLate), of(Reason::FromFuture));
        if too_late > 0 {
            eprintln!(
                "note: {} records were too late and are later now: unless repaired, they will be set aside again if \
                 the consumer's allowed lateness is not raised (ALLOWED_LATENESS_HOURS, or --allowed-lateness of \
                 `tollwatch consume`)",
                HumanCount(too_late)
            );
        }
        if from_future > 0 {
            eprintln!(
                "note: {} records were ahead of their time: unless repaired, they will be set aside again if their \
                 time has not come, or if the allowed lateness is passed by now and not raised",
                HumanCount(from_future)
            );
        }
        if self.invalid > 0 {
            eprintln!(
                "note: {} records are no call as they are and will be set aside again: repair them in the lines of \
                 `tollwatch quarantine list --json`, for --from",
                HumanCount(self.invalid)
            );
        }
    }

    fn summary(&self, stream: &str, is_dry_run: bool) -> String {
        let count = self.records.values().sum();
        if count == 0 {
            return "nothing to put back\n".to_owned();
        }
        let count = HumanCount(count);
        let mut text = match is_dry_run {
            true => format!("{count} records would be put back on stream {stream}; nothing was done\n"),
            false => format!("put {count} records back on stream {stream}\n"),
        };
        text += &by_reason(&self.records);
        if self.gone > 0 {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} are in quarantine no longer and were left out", HumanCount(self.gone));
        }
        text
    }
}

/// The keys and records of a file. Errors name the line and quote nothing.
fn read_lines(file: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            let wrong = |why: String| anyhow!("line {} of {shown} cannot be used: {why}", n + 1);
            // The parser's own message may quote the record.
            let parsed: Line = serde_json::from_str(line).map_err(|error| {
                wrong(format!("it is no JSON object as `list --json` writes them (column {})", error.column()))
            })?;
            if !is_key(&parsed.key) {
                return Err(wrong("its key is not that of a record in quarantine".to_owned()));
            }
            let bytes = parsed.bytes().map_err(|error| wrong(error.to_string()))?;
            Ok((parsed.key, bytes))
        })
        .collect()
}
