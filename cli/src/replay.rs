//! `tollwatch replay`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use ::features::{DAY_MS, HOUR_MS};
use anyhow::{Context as _, anyhow};
use aws_sdk_kinesis::Client as Kinesis;
use call_files::FileCall;
use cdr::NumberPlan;
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
use crate::{clock, observed, progress};

/// Calls of one replay: they are put in order in memory, some 500 bytes each.
const CALLS_MAX: usize = 4_000_000;
/// Records between two looks at the bar and the clock.
const PUT_STEP: usize = 2_000;
/// The shortest sleep: below it, records are put in one request rather than one by one.
const TICK: Duration = Duration::from_millis(50);
/// Ten years: nobody waits for more.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 3_650);
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
}

/// How fast event time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Ratio(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let ratio = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio > 0.0);
        ratio
            .map(Self::Ratio)
            .ok_or_else(|| "wants a number above 0, such as 60 for a minute a second, or max".to_owned())
    }
}

impl Speed {
    /// How long after the first record one is due that came `after_ms` milliseconds after it.
    fn due(self, after_ms: i64) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            // A ratio close to 0 asks for longer than a clock can be set.
            Self::Ratio(ratio) => Duration::try_from_secs_f64(after_ms.max(0) as f64 / 1000.0 / ratio)
                .map_or(LONGEST_WAIT, |due| due.min(LONGEST_WAIT)),
        }
    }
}

/// Puts the calls onto the stream, in the order in which they came.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let plan = NumberPlan::new(&arguments.region).context("--region").or_user()?;
    let options = arguments.read.options()?;
    let endpoint = Endpoint { flag: "--endpoint-url", url: arguments.endpoint_url.as_deref() };
    let kinesis = endpoint.kinesis().await?;
    endpoint.check_stream(&kinesis, &arguments.stream).await?;

    let files = arguments.from.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut loading = Loading::default();
        let spinner = progress::spinner("read calls");
        for file in &files {
            read_calls(file, &plan, &options, &mut loading.refused, |call| loading.calls.take(&call))?;
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
    warn_of_lateness(clock::now_ms() - oldest_ms);

    let total = calls.len() as u64;
    let span = (calls[0].came_ms, calls[calls.len() - 1].came_ms);
    let started = Instant::now();
    let Arguments { stream, speed, .. } = arguments;
    let bar = progress::bar("put calls", total, "calls");
    let tracer = observed::tracer("tollwatch-replay")?;
    let producer = Producer { kinesis, stream, tracer };
    let work = producer.put_all(calls, speed, |put| bar.set_position(put));
    unless_interrupted("the calls put so far stay on the stream", None, async { work.await.or_internal() }).await?;
    observed::finish(producer.tracer.as_ref()).await;
    let Producer { stream, .. } = producer;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    print(&format!(
        "put {calls} calls on stream {stream}, ended from {first} to {last}\n  seconds  {seconds:.1}\n  rate     {rate} calls a second\n{refused}",
        calls = HumanCount(total),
        first = cdr::format_time(span.0),
        last = cdr::format_time(span.1),
        rate = HumanCount((total as f64 / seconds.max(0.001)) as u64),
        refused = refused.summary(),
    ))
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
    outgoing: Outgoing,
}

impl Calls {
    fn take(&mut self, row: &FileCall) -> Outcome {
        if self.calls.len() == CALLS_MAX {
            let most = HumanCount(CALLS_MAX as u64);
            return Err(Failure::user(anyhow!("more than {most} calls for one replay: give fewer files at a time")));
        }
        let call = &row.call;
        self.oldest_ms = self.oldest_ms.min(call.started_at_ms);
        let partition_key = call.caller.as_str().to_owned();
        let outgoing = Outgoing { partition_key, bytes: call.to_json().into_bytes() };
        self.calls.push(Recorded { came_ms: row.arrived_at_ms.unwrap_or(call.ended_at_ms), outgoing });
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
}

impl Producer {
    async fn put_all(&self, calls: Vec<Recorded>, speed: Speed, mut progress: impl FnMut(u64)) -> anyhow::Result<()> {
        let started = Moment::now();
        let first_ms = calls.first().map_or(0, |call| call.came_ms);
        let mut put = 0;
        let mut calls = calls.into_iter().peekable();
        while let Some(next) = calls.peek() {
            let due = speed.due(next.came_ms - first_ms);
            let elapsed = started.elapsed();
            if due > elapsed {
                sleep_until(started + due.max(elapsed + TICK)).await;
            }
            let elapsed = started.elapsed();
            let mut ready = Vec::new();
            while ready.len() < PUT_STEP
                && let Some(call) = calls.next_if(|call| speed.due(call.came_ms - first_ms) <= elapsed)
            {
                ready.push(call.outgoing);
            }
            self.put(ready).await.inspect(|count| {
                put += count;
                progress(put);
            })?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn speed_is_a_ratio_or_none() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("60".parse(), Ok(Speed::Ratio(60.0)));
        for text in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        assert_eq!(Speed::Ratio(60.0).due(120_000), Duration::from_secs(2));
        assert_eq!(Speed::Ratio(1e-300).due(1), LONGEST_WAIT);
        assert_eq!(Speed::Max.due(i64::MAX), Duration::ZERO);
    }
}
