//! `tollwatch generate`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::features::DAY_MS;
use anyhow::{Context as _, anyhow};
use cdr_generator::{
    Config, ConfigError, Format, Generator, MAX_CAMPAIGNS_PER_SCHEME, MAX_DAYS, MAX_REPEAT_SHARE, MAX_STRENGTH,
    MAX_SUBSCRIBERS, MIN_STRENGTH, Written, write_files,
};
use clap::ValueEnum;
use indicatif::{DecimalBytes, HumanCount};
use snapshot::UtcDay;

use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::{clock, progress, times};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder for the files; new or empty
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Decides everything: the same seed and options give the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Numbers that place ordinary calls
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SUBSCRIBERS)))]
    subscribers: u32,
    /// UTC days; the last one is that of --end
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
    /// The last moment: RFC 3339, or a date for its beginning [default: the beginning of today, UTC]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    end: Option<i64>,
    /// Ordinary calls that a subscriber places on an average day
    #[arg(long, default_value_t = 1.1)]
    calls_per_day: f64,
    /// Campaigns of each kind of fraud: wangiri, irsf, robocall, sim_box, pbx_hack, subscription_fraud
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_CAMPAIGNS_PER_SCHEME)))]
    campaigns: u32,
    /// How plain the fraud is: multiplies the strengths of all campaigns, which are 1, 0.5, 0.25 and 0.1 in turn. Weaker
    /// ones place fewer calls from more numbers, and more of what they do is what ordinary callers do
    #[arg(long, default_value_t = 1.0, value_parser = strength)]
    strength: f64,
    /// Format of the files of calls
    #[arg(long, value_enum, default_value_t = FileFormat::Parquet)]
    format: FileFormat,
    /// Share of calls whose record is there twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    duplicates: f64,
    /// Share of records that come minutes to hours late: their place in the file
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share)]
    late: f64,
    /// Share of records overtaken by those of a minute later
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    disorder: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum FileFormat {
    Jsonl,
    Parquet,
}

/// Writes the files: all of them, or none.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let started = Instant::now();
    let format = match arguments.format {
        FileFormat::Jsonl => Format::JsonLines,
        FileFormat::Parquet => Format::Parquet,
    };
    let config = arguments.config();
    let output = arguments.output;
    let generator = Generator::new(config).map_err(|error| Failure::user(in_words_of_flags(error)))?;
    check_empty(&output)?;
    let is_new = !output.exists();
    let cannot_write = || format!("cannot write to {}", output.display());
    fs::create_dir_all(&output).with_context(cannot_write).or_user()?;
    let last_day = UtcDay::of_ms(generator.config().end_ms - 1);
    let first_day = UtcDay::of_ms(generator.config().start_ms());

    let done = unless_interrupted("nothing was written", None, async {
        let staging = tempfile::Builder::new().prefix(".generating-").tempdir_in(&output);
        let staging = staging.with_context(cannot_write).or_user()?;
        let folder = staging.path().to_owned();
        let bar = progress::bar("generate calls", generator.days().into(), "days");
        let work = tokio::task::spawn_blocking(move || {
            let written = write_files(&generator, &folder, format, |step| bar.set_position(step.days_done.into()));
            bar.finish_and_clear();
            written
        });
        let written = work.await.or_internal()?.or_user()?;
        put_in_place(&written, &output)?;
        Ok(written)
    });
    let done = done.await;
    if done.is_err() && is_new {
        // What is in it now is not ours.
        let _ = fs::remove_dir(&output);
    }
    let written = done?;

    let (shown, bytes) = (output.display(), size_of(&written, &output)?);
    print(&format!(
        "wrote {files} files of calls and labels.csv to {shown}\n  calls    {calls}, from {first_day} to {last_day} UTC\n  copies   {copies} records more, of calls that were sent twice\n  bytes    {bytes}\n  seconds  {seconds:.1}\nNext: tollwatch batch --input {shown} --output data --as-of {last_day}\n",
        files = written.files.len(),
        calls = HumanCount(written.unique_calls),
        copies = HumanCount(written.duplicates),
        bytes = DecimalBytes(bytes),
        seconds = started.elapsed().as_secs_f64(),
    ))
}

impl Arguments {
    fn config(&self) -> Config {
        let end_ms = self.end.unwrap_or_else(|| clock::now_ms().div_euclid(DAY_MS) * DAY_MS);
        Config {
            calls_per_subscriber_day: self.calls_per_day,
            campaigns_per_scheme: self.campaigns,
            strength: self.strength,
            duplicate_share: self.duplicates,
            late_share: self.late,
            disorder_share: self.disorder,
            ..Config::new(self.seed, end_ms, self.days, self.subscribers)
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    // Written so that NaN is refused.
    let share = text.parse().ok().filter(|share| (0.0..=MAX_REPEAT_SHARE).contains(share));
    share.ok_or_else(|| format!("wants a share between 0 and {MAX_REPEAT_SHARE}, such as 0.01"))
}

fn strength(text: &str) -> Result<f64, String> {
    // Written so that NaN is refused.
    let strength = text.parse().ok().filter(|strength| (MIN_STRENGTH..=MAX_STRENGTH).contains(strength));
    strength.ok_or_else(|| format!("wants a number from {MIN_STRENGTH} to {MAX_STRENGTH}, such as 0.5"))
}

fn in_words_of_flags(error: ConfigError) -> anyhow::Error {
    match error {
        ConfigError::BadRate { value, max } => {
            anyhow!("--calls-per-day is {value}: wants more than 0 and, with so many subscribers, at most {max:.0}")
        }
        ConfigError::BadPeriod { days, .. } => {
            anyhow!("--end and --days {days} leave the years 2000 to 2099: choose another end or fewer days")
        }
        other => other.into(),
    }
}

fn check_empty(folder: &Path) -> Outcome {
    let shown = folder.display();
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot write to {shown}")).or_user(),
    };
    if is_empty {
        return Ok(());
    }
    Err(Failure::user(anyhow!("{shown} is not empty: give a new folder, or empty this one")))
}

/// Moves the files out of the folder they were made in.
fn put_in_place(written: &Written, output: &Path) -> Outcome {
    for file in written.files.iter().chain([&written.labels]) {
        let to = place_of(file, output);
        fs::rename(file, &to).with_context(|| format!("cannot write {}", to.display())).or_user()?;
    }
    Ok(())
}

fn size_of(written: &Written, output: &Path) -> Result<u64, Failure> {
    written.files.iter().try_fold(0, |bytes, file| {
        let file = place_of(file, output);
        let found = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display())).or_internal()?;
        Ok(bytes + found.len())
    })
}

fn place_of(file: &Path, output: &Path) -> PathBuf {
    output.join(file.file_name().unwrap_or_default())
}
