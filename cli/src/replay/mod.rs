//! `tollwatch replay`.

mod schedule;
mod shift;
mod speed;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::features::{DAY_MS, HOUR_MS, MINUTE_MS};
use anyhow::{Context as _, anyhow};
use aws_sdk_kinesis::Client as Kinesis;
use call_files::FileCall;
use cdr::{CallRecord, NumberPlan};
use indicatif::HumanCount;
use stream_writer::Sending;
use telemetry::Tracer;
use tokio::time::{Instant as Moment, sleep_until};

use crate::call_input::{ReadFlags, Refusals, read_calls};
use crate::defaults::STREAM;
use crate::endpoints::Endpoint;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::pipeline::{Outgoing, put_records};
use crate::pseudonymize::PseudonymFlags;
use crate::replay::schedule::{Disturbance, Put, Schedule};
use crate::replay::shift::{Times, shift_ms, shifted};
use crate::replay::speed::Speed;
use crate::{clock, observed, progress};

/// Calls of one replay: they are put in order in memory, some 500 bytes each.
const CALLS_MAX: usize = 4_000_000;
/// Records between two looks at the bar and the clock.
const PUT_STEP: usize = 2_000;
/// The shortest sleep: below it, records are put in one request rather than one by one.
const TICK: Duration = Duration::from_millis(50);
/// What a consumer allows that is not told otherwise.
const DEFAULT_LATENESS_MS: i64 = DAY_MS;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files of calls
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadFlags,
    /// Region of numbers without a country, ISO 3166-1
    #[arg(long, default_value = "US")]
    region: String,
    /// The stream
    #[arg(long, default_value = STREAM)]
    stream: String,
    /// A local Kinesis, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Seconds of event time to a second, or max: as fast as the stream takes them
    #[arg(long, default_value = "max", value_name = "RATIO|max")]
    speed: Speed,
    /// Which times the calls have. With now, a second replay a minute later is of other calls: they begin in other minutes
    #[arg(long, value_enum, default_value_t = Times::Kept)]
    times: Times,
    #[command(flatten)]
    disturbance: Disturbance,
    #[command(flatten)]
    pseudonyms: PseudonymFlags,
}

/// Puts the calls onto the stream, in the order in which they came, but for those that are to be disturbed.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let plan = NumberPlan::new(&arguments.region).context("--region").or_user()?;
    let options = arguments.read.options()?;
    let pseudonyms = arguments.pseudonyms.open(|name| std::env::var(name).ok())?;
    let endpoint = Endpoint { flag: "--endpoint-url", url: arguments.endpoint_url.as_deref() };
    let kinesis = endpoint.kinesis().await?;
    endpoint.check_stream(&kinesis, &arguments.stream).await?;

    let files = arguments.from.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut loading = Loading::default();
        let spinner = progress::spinner("read calls");
        for file in &files {
            let pseudonyms = pseudonyms.as_ref();
            read_calls(file, &plan, &options, pseudonyms, &mut loading.refused, |call| loading.calls.take(call))?;
        }
        spinner.finish_and_clear();
        loading.refused.tell()?;
        Ok(loading)
    });
    let Loading { calls, refused } =
        unless_interrupted("nothing was put", None, async { reading.await.or_internal()? }).await?;
    let Calls { mut calls, oldest_ms } = calls;
    if calls.is_empty() {
        let rows = HumanCount(refused.rows());
        let reasons = refused.reasons();
        return Err(Failure::user(anyhow!("no call can be used ({rows} rows refused{reasons}); nothing was put")));
    }
    // Equal ones keep their order, so that a copy stays behind its original.
    calls.sort_by_key(|call| call.came_ms);
    let Arguments { stream, speed, times, disturbance, .. } = arguments;
    let span = (calls[0].came_ms, calls[calls.len() - 1].came_ms);
    let now_ms = clock::now_ms();
    let shift_ms = match times {
        Times::Kept => 0,
        Times::Now => shift_ms(span, now_ms, speed),
    };
    warn_of_lateness(now_ms - (oldest_ms + shift_ms));

    let schedule = Schedule::of(calls.iter().map(|call| call.came_ms), &disturbance);
    let total = calls.len() as u64;
    let started = Instant::now();
    let bar = progress::bar("put records", schedule.puts.len() as u64, "records");
    let tracer = observed::tracer("tollwatch-replay")?;
    let producer = Producer { kinesis, stream, tracer, shift_ms };
    let work = producer.put_all(&calls, &schedule.puts, speed, |put| bar.set_position(put));
    unless_interrupted("the calls put so far stay on the stream", None, async { work.await.or_internal() }).await?;
    observed::finish(producer.tracer.as_ref()).await;
    let Producer { stream, .. } = producer;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    print(&format!(
        "put {calls} calls on stream {stream}, ended from {first} to {last}\n{disturbed}  seconds  {seconds:.1}\n  rate     {rate} calls a second\n{refused}",
        calls = HumanCount(total),
        first = cdr::format_time(span.0 + shift_ms),
        last = cdr::format_time(span.1 + shift_ms),
        disturbed = disturbed(shift_ms, &schedule),
        rate = HumanCount((total as f64 / seconds.max(0.001)) as u64),
        refused = refused.summary(),
    ))
}

/// What is not as it is in the files, a line each; nothing of what was not asked for.
fn disturbed(shift_ms: i64, schedule: &Schedule) -> String {
    let mut lines = String::new();
    if shift_ms != 0 {
        lines = format!("  shifted  {} minutes\n", shift_ms / MINUTE_MS);
    }
    let counts = [
        ("copies", schedule.duplicates, "put again"),
        ("delayed", schedule.delayed, "put late"),
        ("held", schedule.overtaken, "overtaken by later ones"),
    ];
    for (name, count, what) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "  {name:<8} {} records {what}", HumanCount(count));
    }
    lines
}

#[derive(Default)]
struct Loading {
    calls: Calls,
    refused: Refusals,
}

/// Calls in memory.
struct Calls {
    calls: Vec<Recorded>,
    /// When the oldest began, in milliseconds since 1970 UTC.
    oldest_ms: i64,
}

impl Default for Calls {
    fn default() -> Self {
        Self { calls: Vec::new(), oldest_ms: i64::MAX }
    }
}

struct Recorded {
    /// When its record came, in milliseconds since 1970 UTC: where the file does not say, the end of the call.
    came_ms: i64,
    call: CallRecord,
}

impl Calls {
    fn take(&mut self, row: FileCall) -> Outcome {
        if self.calls.len() == CALLS_MAX {
            let most = HumanCount(CALLS_MAX as u64);
            return Err(Failure::user(anyhow!("more than {most} calls for one replay: give fewer files at a time")));
        }
        let call = row.call;
        self.oldest_ms = self.oldest_ms.min(call.started_at_ms);
        self.calls.push(Recorded { came_ms: row.arrived_at_ms.unwrap_or(call.ended_at_ms), call });
        Ok(())
    }
}

fn warn_of_lateness(age_ms: i64) {
    if age_ms > DEFAULT_LATENESS_MS {
        // One more, since the replay takes time too.
        let hours = age_ms / HOUR_MS + 1;
        eprintln!(
            "note: a consumer judges lateness by arrival, and these calls began up to {hours} hours ago: one that allows \
             less (24 hours by default) quarantines them as too_late. Raise ALLOWED_LATENESS_HOURS above {hours}."
        );
    }
}

/// Who puts calls on a stream.
struct Producer {
    kinesis: Kinesis,
    stream: String,
    tracer: Option<Tracer>,
    /// What is added to the times of calls.
    shift_ms: i64,
}

impl Producer {
    async fn put_all(
        &self,
        calls: &[Recorded],
        puts: &[Put],
        speed: Speed,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        let started = Moment::now();
        // The first may be late itself.
        let first_ms = calls.first().map_or(0, |call| call.came_ms);
        let mut put = 0;
        let mut puts = puts.iter().peekable();
        while let Some(next) = puts.peek() {
            let due = speed.due(next.at_ms - first_ms);
            let elapsed = started.elapsed();
            if due > elapsed {
                sleep_until(started + due.max(elapsed + TICK)).await;
            }
            let elapsed = started.elapsed();
            let mut ready = Vec::new();
            while ready.len() < PUT_STEP
                && let Some(put) = puts.next_if(|put| speed.due(put.at_ms - first_ms) <= elapsed)
            {
                ready.push(self.outgoing(&calls[put.call].call));
            }
            self.put(ready).await.inspect(|count| {
                put += count;
                progress(put);
            })?;
        }
        Ok(())
    }

    /// The same bytes each time.
    fn outgoing(&self, call: &CallRecord) -> Outgoing {
        let call = shifted(call.clone(), self.shift_ms);
        Outgoing { partition_key: call.caller.as_str().to_owned(), bytes: call.to_json().into_bytes() }
    }

    /// Puts some, under a span of their own; says how many.
    async fn put(&self, mut ready: Vec<Outgoing>) -> anyhow::Result<u64> {
        let sending = Sending::begin(self.tracer.as_ref(), &self.stream, ready.len(), None);
        for call in &mut ready {
            call.bytes = sending.traced(std::mem::take(&mut call.bytes));
        }
        let put = put_records(&self.kinesis, &self.stream, &ready).await;
        sending.end(put.is_ok());
        put?;
        Ok(ready.len() as u64)
    }
}
