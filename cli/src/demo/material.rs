//! The calls of a demo: where they come from, what the batch job reads, what goes onto the stream, and what a
//! recount must know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::features::{DAY_MS, MINUTE_MS};
use anyhow::{Context as _, anyhow};
use call_files::{ReadError, ReadOptions, SwitchOptions};
use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Format, Generator, Label};
use objects::Location;
use oracle::{Call, Strings, distinct_calls};
use snapshot::UtcDay;

use crate::failure::{Blame as _, Failure};
use crate::pipeline::Outgoing;
use crate::progress;

/// What was sent, by the sender's own account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) unique: u64,
    pub(crate) duplicates: u64,
    pub(crate) invalid: BTreeMap<String, u64>,
}

/// Everything a demo works on.
pub(crate) struct Material {
    /// Every call once, for the recount.
    pub(crate) calls: Vec<Call>,
    pub(crate) batch_input: Location,
    /// How the batch job reads it.
    pub(crate) read: ReadOptions,
    /// Last day of the snapshot.
    pub(crate) as_of: UtcDay,
    /// From when on calls go onto the stream too: a merged window takes this day and the next from tiles.
    pub(crate) stream_from_ms: i64,
    /// The moment everything is asked for.
    pub(crate) end_ms: i64,
    /// The records of the stream, in the order in which they arrive.
    pub(crate) records: Vec<Outgoing>,
    pub(crate) sent: Sent,
    pub(crate) labels: Vec<Label>,
    /// Rows of the user's files that cannot be used, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// Generates calls into `folder`, and the records of the stream.
pub(crate) fn generate(config: &Config, folder: &Path) -> Result<Material, Failure> {
    let generator = Generator::new(config.clone()).or_user()?;
    let bar = progress::bar("generate calls", generator.days().into(), "days");
    // The files on one core, what the recount must know on the other.
    let (written, calls) = std::thread::scope(|threads| {
        let calls = threads.spawn(|| {
            let mut strings = Strings::new();
            let calls = generator.calls(i64::MIN, i64::MAX);
            calls.map(|call| truth(&mut strings, &Seen::of_generated(&call))).collect::<Vec<_>>()
        });
        let written = cdr_generator::write_files(&generator, folder, Format::Parquet, |_| bar.inc(1));
        (written, calls.join())
    });
    bar.finish_and_clear();
    written.or_user()?;
    let calls = calls.map_err(|_| anyhow!("the generator broke")).or_internal()?;
    let end_ms = config.end_ms;
    let as_of = UtcDay::of_ms(end_ms - 1).plus(-1);

    let mut arrivals = generator.arrivals(as_of.start_ms(), end_ms);
    let mut records = Vec::new();
    for arrival in arrivals.by_ref() {
        records.push(Outgoing { partition_key: arrival.partition_key.to_string(), bytes: arrival.bytes });
    }
    let ledger = arrivals.ledger();
    let sent = Sent {
        unique: ledger.unique_calls,
        duplicates: ledger.duplicates,
        invalid: ledger.invalid.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect(),
    };
    Ok(Material {
        calls,
        batch_input: Location::Path(folder.to_owned()),
        read: ReadOptions::default(),
        as_of,
        stream_from_ms: as_of.start_ms(),
        end_ms,
        records,
        sent,
        labels: generator.labels(),
        refused: BTreeMap::new(),
    })
}

/// Takes the user's calls. The demo's now is the end of the minute of the last one.
pub(crate) fn from_files(path: &Path, plan: &NumberPlan, site: &str, zone: &str) -> Result<Material, Failure> {
    let switch = SwitchOptions { site: site.to_owned(), zone: zone.to_owned(), ..SwitchOptions::default() };
    let options = ReadOptions { format: None, switch };
    let mut refused = BTreeMap::new();
    let mut all = Vec::new();
    for file in files_below(path)? {
        for row in call_files::open(&file, plan, &options).or_user()? {
            match row {
                Ok(row) => all.push(row.call),
                Err(ReadError::Row(error)) => {
                    *refused.entry(error.error.reason.as_str().to_owned()).or_default() += 1;
                }
                Err(ReadError::File(error)) => return Err(Failure::user(error)),
            }
        }
    }
    let newest_ms = all.iter().map(|call| call.started_at_ms).max();
    let newest_ms =
        newest_ms.ok_or_else(|| anyhow!("{} holds no call that can be used", path.display())).or_user()?;
    let oldest_ms = all.iter().map(|call| call.started_at_ms).min().unwrap_or(newest_ms);
    let end_ms = newest_ms - newest_ms.rem_euclid(MINUTE_MS) + MINUTE_MS;
    let today = UtcDay::of_ms(newest_ms);
    // All of one day: the snapshot is of that day itself.
    let as_of = if UtcDay::of_ms(oldest_ms) < today { today.plus(-1) } else { today };
    let stream_from_ms = as_of.start_ms();

    let mut strings = Strings::new();
    let calls = distinct_calls(all.iter().map(|call| truth(&mut strings, &Seen::of_record(call))).collect());
    let streamed: Vec<&CallRecord> = all.iter().filter(|call| call.started_at_ms >= stream_from_ms).collect();
    let unique = calls.iter().filter(|call| call.started_at_ms >= stream_from_ms).count() as u64;
    let sent = Sent { unique, duplicates: streamed.len() as u64 - unique, invalid: BTreeMap::new() };
    let outgoing = |call: &&CallRecord| Outgoing {
        partition_key: call.caller.as_str().to_owned(),
        bytes: call.to_json().into_bytes(),
    };
    Ok(Material {
        calls,
        batch_input: Location::Path(path.to_owned()),
        read: options,
        as_of,
        stream_from_ms,
        end_ms,
        records: streamed.iter().map(outgoing).collect(),
        sent,
        labels: Vec::new(),
        refused,
    })
}

/// The last 90 days, beyond which no window reaches.
pub(crate) fn first_day_of_windows(as_of: UtcDay) -> i64 {
    as_of.plus(1).start_ms() - i64::from(::features::BATCH_DAYS_MAX) * DAY_MS
}

fn files_below(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = || format!("cannot read {}", path.display());
    if std::fs::metadata(path).with_context(unreadable).or_user()?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(unreadable).or_user()? {
        let path = entry.with_context(unreadable).or_user()?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else if !name.starts_with('.') && name != "labels.csv" {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the oracle is told of a call.
struct Seen<'a> {
    call_id: &'a str,
    caller: &'a str,
    callee: &'a str,
    times: (i64, Option<i64>, i64),
    outcome: cdr::Outcome,
    channel: Option<cdr::Channel>,
    cell_id: Option<&'a str>,
    imei: Option<&'a str>,
    cost_micros: Option<i64>,
    currency: Option<&'a str>,
}

impl<'a> Seen<'a> {
    fn of_generated(call: &'a cdr_generator::GeneratedCall) -> Self {
        Self {
            call_id: &call.call_id,
            caller: &call.caller,
            callee: &call.callee,
            times: (call.started_at_ms, call.answered_at_ms, call.ended_at_ms),
            outcome: call.outcome,
            channel: Some(call.channel),
            cell_id: call.cell_id.as_deref(),
            imei: call.imei.as_deref(),
            cost_micros: call.cost_micros,
            currency: call.currency,
        }
    }

    fn of_record(call: &'a CallRecord) -> Self {
        Self {
            call_id: &call.call_id,
            caller: call.caller.as_str(),
            callee: call.callee.as_str(),
            times: (call.started_at_ms, call.answered_at_ms, call.ended_at_ms),
            outcome: call.outcome,
            channel: call.channel,
            cell_id: call.cell_id.as_deref(),
            imei: call.imei.as_deref(),
            cost_micros: call.cost_micros,
            currency: call.currency.as_deref(),
        }
    }
}

fn truth(strings: &mut Strings, seen: &Seen<'_>) -> Call {
    let (started_at_ms, answered_at_ms, ended_at_ms) = seen.times;
    Call {
        call_id: seen.call_id.into(),
        caller: strings.get(seen.caller),
        callee: strings.get(seen.callee),
        started_at_ms,
        answered_at_ms,
        ended_at_ms,
        outcome: strings.get(seen.outcome.as_str()),
        channel: seen.channel.map(|channel| strings.get(channel.as_str())),
        cell_id: seen.cell_id.map(|text| strings.get(text)),
        imei: seen.imei.map(|text| strings.get(text)),
        cost_micros: seen.cost_micros,
        currency: seen.currency.map(|text| strings.get(text)),
    }
}
