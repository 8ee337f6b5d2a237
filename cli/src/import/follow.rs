//! `tollwatch import --follow`: files that a switch still writes, onto a stream, until Ctrl-C or SIGTERM.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use call_files::ReadOptions;
use call_follower::{FollowError, Follower, Settings, Step};
use cdr::NumberPlan;
use indicatif::{HumanCount, ProgressBar};
use stream_writer::Outgoing;

use crate::call_input::Refusals;
use crate::clock;
use crate::defaults::STATE_FOLDER;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::import::stream::{PutCounts, Stream, fnv1a, outgoing};
use crate::interrupt::catch_stop;
use crate::output::print;
use crate::progress;

/// The first pause after the stream did not take calls for as long as the writer is patient.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest one: a stream that is back is used again within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is followed, and how.
pub(crate) struct Following<'a> {
    pub(crate) files: &'a [PathBuf],
    pub(crate) plan: NumberPlan,
    pub(crate) options: ReadOptions,
    pub(crate) region: &'a str,
    pub(crate) stream: Stream,
    /// Time between two looks.
    pub(crate) interval: Duration,
    /// How long a call waits for more legs.
    pub(crate) linger: Duration,
    /// The resume point, where the user has one.
    pub(crate) state: Option<&'a Path>,
    pub(crate) refused: Refusals,
}

impl Following<'_> {
    /// Follows until it is told to stop; what was read is put before that.
    pub(crate) async fn run(self) -> Outcome {
        let Self { files, plan, options, region, stream, interval, linger, state, mut refused } = self;
        let files: Vec<PathBuf> = files.iter().map(std::path::absolute).collect::<Result<_, _>>().or_user()?;
        let mut seen = HashSet::new();
        if let Some(twice) =
            files.iter().find(|file| !seen.insert(file.canonicalize().unwrap_or_else(|_| PathBuf::clone(file))))
        {
            return Err(Failure::user(anyhow!("{} is given twice: a file is followed once", twice.display())));
        }
        let state = state.map_or_else(|| default_state(&files, &stream.name), Path::to_owned);
        let name = name(&options, region, &stream.name);
        let linger_ms = i64::try_from(linger.as_millis()).unwrap_or(i64::MAX);
        let settings = Settings { plan: Arc::new(plan), options, linger_ms, name };
        let mut stop: Stop = Box::pin(catch_stop()?);
        let mut follower = Follower::start(&files, &state, settings).map_err(told)?;
        eprintln!("tollwatch: following; the resume point is {}. Ctrl-C ends it", state.display());
        let bar = progress::spinner("follow");
        let counts = PutCounts::begin();
        loop {
            let mut step = follower.next(clock::now_ms()).map_err(told)?;
            tell(&bar, &mut step, &mut refused)?;
            let is_idle = step.calls.is_empty() && !step.is_full;
            let records: Vec<Outgoing> = step.calls.iter().map(outgoing).collect();
            // Calls that are not put are in the resume point.
            if !records.is_empty() && !put(&stream, records, &counts, &bar, &mut stop).await {
                break;
            }
            follower.confirm();
            bar.set_message(format!(
                "{} calls on the stream, {} rows refused",
                HumanCount(counts.put()),
                HumanCount(refused.rows())
            ));
            let pause = if is_idle { interval } else { Duration::ZERO };
            let is_over = tokio::select! {
                biased;
                () = &mut stop => true,
                () = tokio::time::sleep(pause) => false,
            };
            if is_over {
                follower.finish().map_err(told)?;
                break;
            }
        }
        bar.finish_and_clear();
        stream.finish().await;
        print(&format!(
            "followed until now: put {} calls on stream {}, {} put again\n{}",
            HumanCount(counts.put()),
            stream.name,
            HumanCount(counts.again()),
            refused.summary()
        ))
    }
}

/// A wish to stop.
type Stop = Pin<Box<dyn Future<Output = ()>>>;

/// Puts the records, as long as that takes. False if it was told to stop before the stream had all of them.
async fn put(
    stream: &Stream,
    mut records: Vec<Outgoing>,
    counts: &PutCounts,
    bar: &ProgressBar,
    stop: &mut Stop,
) -> bool {
    let mut pause = FIRST_PAUSE;
    loop {
        let put = stream.put(records.clone()).await;
        counts.enter(&put);
        let Some(error) = put.error else { return true };
        let mut placed = put.placed.iter();
        records.retain(|_| placed.next().is_none_or(Option::is_none));
        let seconds = pause.as_secs();
        bar.suspend(|| eprintln!("tollwatch: {error}; trying again in {seconds} s, and reading on after that"));
        tokio::select! {
            biased;
            () = stop.as_mut() => return false,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Says what people have to know of a step.
fn tell(bar: &ProgressBar, step: &mut Step, refused: &mut Refusals) -> Outcome {
    bar.suspend(|| {
        for notice in step.notices.drain(..) {
            let mark = if notice.is_loss() { "WARNING: " } else { "" };
            eprintln!("tollwatch: {mark}{notice}");
        }
        for (file, error) in step.refused.drain(..) {
            refused.note_aloud(&file, &error)?;
        }
        refused.flush()
    })
}

/// Where the resume point is if the user does not say: of these files onto this stream, always the same.
fn default_state(files: &[PathBuf], stream: &str) -> PathBuf {
    let mut text = stream.to_owned();
    for file in files {
        let _ = write!(text, "\n{}", file.display());
    }
    Path::new(STATE_FOLDER).join("follow").join(format!("{:016x}.json", fnv1a(&text)))
}

/// What makes the same rows other calls, or puts them elsewhere. Of a mapping, which may be
/// long, a hash.
fn name(options: &ReadOptions, region: &str, stream: &str) -> String {
    let switch = &options.switch;
    let format = options.format.map_or("found", call_files::Format::as_str);
    let mapping = switch.mapping.as_deref().map_or(0, fnv1a);
    let columns = switch.columns.as_deref().unwrap_or_default();
    format!(
        "--stream {stream} --format {format} --site {} --zone {} --region {region} --legs {:?} --columns {columns:?} --mapping {mapping:x}",
        switch.site, switch.zone, switch.legs
    )
}

fn told(error: FollowError) -> Failure {
    match error {
        FollowError::Resume { .. } => Failure::internal(error),
        _ => Failure::user(error),
    }
}

/// Refuses what cannot be done while following.
pub(crate) fn check(has_output: bool, is_dry: bool, is_hidden: bool) -> Outcome {
    let why = if has_output {
        "--follow puts calls on a stream: a file appears when it is whole, and following has no end. Leave out --output"
    } else if is_dry {
        "--follow and --dry-run: see what is understood of the file first, without --follow"
    } else if is_hidden {
        "--follow feeds a system that is to know its numbers: pseudonyms are for files that are shared. Leave out \
         --pseudonymize, or --follow"
    } else {
        return Ok(());
    };
    Err(Failure::user(anyhow!(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resume_point_is_that_of_these_files_and_this_stream() {
        let of = |file: &str, stream: &str| default_state(&[PathBuf::from(file)], stream);
        assert_eq!(of("/a", "s"), of("/a", "s"));
        assert_ne!(of("/a", "s"), of("/b", "s"));
        assert_ne!(of("/a", "s"), of("/a", "t"));
        // What earlier versions wrote is found.
        assert_eq!(
            of("/var/log/asterisk/cdr-csv/Master.csv", "calls"),
            Path::new(".tollwatch/follow/caf9203499573466.json")
        );
    }
}
