//! `tollwatch import`: files of a switch into call records, in files, on a stream, or both.

mod files;
mod follow;
mod inputs;
mod lateness;
mod merging;
mod reading;
mod stream;
mod target;
mod understood;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use cdr::NumberPlan;
use indicatif::HumanCount;

use crate::call_input::{ReadFlags, Refusals};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::import::files::{FileWriters, Staging};
use crate::import::follow::Following;
use crate::import::inputs::inputs;
use crate::import::lateness::LatenessNote;
use crate::import::reading::{Imported, Reading, Sinks, Source};
use crate::import::stream::{PutCounts, Stream, feed};
use crate::import::target::{OutputFormat, Target, check_inputs_stay};
use crate::import::understood::Understood;
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::pseudonymize::PseudonymFlags;
use crate::{clock, progress, times};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files of calls; with --archive also folders, of which all files of calls are read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    pseudonyms: PseudonymFlags,
    /// One file for all calls, or a folder for a file each; what is there under these names is replaced
    #[arg(long, value_name = "FILE|FOLDER")]
    output: Option<PathBuf>,
    /// Format of the output [default: by its ending; Parquet in a folder]
    #[arg(long = "as", value_enum, value_name = "FORMAT", requires = "output")]
    output_format: Option<OutputFormat>,
    /// Write lines of the archive: position, arrival and derived fields beside each call. For files that are an
    /// archive themselves, such as one from before there were derived fields. In a folder each is put below its hour of
    /// arrival, YYYY/MM/DD/HH, where its path has one, and below the folders that it has in a folder that is named
    #[arg(long, requires = "output")]
    archive: bool,
    /// Put the calls on this stream, with or without an output
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// A local Kinesis, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, value_name = "URL", requires = "stream")]
    endpoint_url: Option<String>,
    /// Write nothing: say what would be understood of the files
    #[arg(long)]
    dry_run: bool,
    /// Go on reading files as they grow and are rotated, onto the stream, until Ctrl-C or SIGTERM: docs/import.md
    #[arg(long, requires = "stream")]
    follow: bool,
    /// With --follow: time between two looks at the files
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    interval: Duration,
    /// With --follow: how long a call waits for more of its legs
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    linger: Duration,
    /// With --follow: where it is kept what was read and put [default: a file in .tollwatch/follow]
    #[arg(long, value_name = "FILE", requires = "follow")]
    state: Option<PathBuf>,
    /// Region of numbers without a country, ISO 3166-1
    #[arg(long, default_value = "US")]
    region: String,
    /// List every row that cannot be used in this CSV file
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
}

/// Turns the files into call records: all that is written appears at the end, or nothing does. A stream has what it was
/// given until then.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let options = arguments.read.options()?;
    let plan = NumberPlan::new(&arguments.region).context("--region").or_user()?;
    let pseudonyms = arguments.pseudonyms.open(|name| std::env::var(name).ok())?;
    if arguments.follow {
        follow::check(arguments.output.is_some(), arguments.dry_run, pseudonyms.is_some())?;
        let Some(stream) = &arguments.stream else { return Ok(()) };
        let following = Following {
            files: &arguments.files,
            plan,
            options,
            region: &arguments.region,
            stream: Stream::open(stream, arguments.endpoint_url.as_deref()).await?,
            interval: arguments.interval,
            linger: arguments.linger,
            state: arguments.state.as_deref(),
            refused: arguments.refused.as_deref().map_or_else(|| Ok(Refusals::default()), Refusals::listed_in)?,
        };
        return following.run().await;
    }
    if arguments.dry_run && (arguments.output.is_some() || arguments.stream.is_some()) {
        return Err(Failure::user(anyhow!("--dry-run writes nothing: leave out --output and --stream")));
    }
    if arguments.output.is_none() && arguments.stream.is_none() && !arguments.dry_run {
        return Err(Failure::user(anyhow!(
            "where are the calls to go? Give --output FILE or FOLDER, --stream NAME, or both; or --dry-run to see what \
             is understood of the files"
        )));
    }
    let target = arguments.output.as_ref().map(|output| Target::of(output, arguments.output_format)).transpose()?;
    if arguments.archive && target.as_ref().is_some_and(|target| target.format() == OutputFormat::Parquet) {
        return Err(Failure::user(anyhow!("--archive writes lines: give --as jsonl.gz, or an --output .jsonl.gz")));
    }
    let inputs = inputs(&arguments.files, arguments.archive)?;
    let names = target.as_ref().map_or_else(|| Ok(Vec::new()), |target| target.names(&inputs))?;
    let files: Vec<PathBuf> = inputs.into_iter().map(|input| input.file).collect();
    check_inputs_stay(&files, arguments.refused.as_deref(), target.as_ref(), &names)?;
    let stream = match &arguments.stream {
        Some(name) => Some(Stream::open(name, arguments.endpoint_url.as_deref()).await?),
        None => None,
    };
    let staging = target.as_ref().map(Staging::begin).transpose()?;
    let refused = match &arguments.refused {
        Some(path) => Refusals::listed_in(path)?,
        None => Refusals::default(),
    };

    let writers = staging.as_ref().zip(target.as_ref());
    let writers = writers.map(|(staging, target)| FileWriters::new(staging, target.format(), arguments.archive));
    let reading = Reading {
        sinks: Sinks { files: writers, stream: None, understood: arguments.dry_run.then(Understood::default) },
        refused,
        lateness: stream.as_ref().map(|_| LatenessNote::at(clock::now_ms())),
        bar: progress::spinner("import calls"),
        calls: 0,
        span: None,
    };
    let import = Import { arguments: &arguments, staging, stream };
    import.run(reading, Source { plan, options, pseudonyms, files, names }).await
}

struct Import<'a> {
    arguments: &'a Arguments,
    staging: Option<Staging>,
    stream: Option<Stream>,
}

impl Import<'_> {
    async fn run(self, reading: Reading, source: Source) -> Outcome {
        let Self { arguments, staging, stream } = self;
        let counts = PutCounts::begin();
        let interrupted = match (&stream, &staging) {
            (Some(_), _) => "the calls put so far stay on the stream; run it again, and they count once",
            (None, _) => "nothing was written",
        };
        let temporary = staging.as_ref().map(|staging| staging.path().to_owned());
        let done = unless_interrupted(interrupted, temporary.as_deref(), async {
            let imported = match &stream {
                Some(stream) => read_onto(stream, &counts, reading, source).await?,
                None => read(reading, source).await?,
            };
            if let Some(staging) = staging {
                staging.publish(&imported.names).map_err(|failure| with_put(failure, stream.as_ref(), &counts))?;
            }
            Ok(imported)
        });
        let imported = done.await?;
        if let Some(stream) = &stream {
            stream.finish().await;
        }
        match &imported.understood {
            Some(understood) => print(&understood::report(&imported, understood, &arguments.region)),
            None => print(&summary(arguments, &imported, stream.as_ref().map(|stream| (stream, &counts)))),
        }
    }
}

async fn read(reading: Reading, source: Source) -> Result<Imported, Failure> {
    let bar = reading.bar.clone();
    let read = tokio::task::spawn_blocking(move || {
        let imported = reading.read(&source)?;
        any_call(&source, imported)
    });
    let read = read.await.or_internal()?;
    bar.finish_and_clear();
    read
}

/// Reads on a thread of its own, which waits where the stream is behind.
async fn read_onto(
    stream: &Stream,
    counts: &PutCounts,
    mut reading: Reading,
    source: Source,
) -> Result<Imported, Failure> {
    let bar = reading.bar.clone();
    let (feed, feeding) = feed();
    reading.sinks.stream = Some(feed);
    let (read, put) = tokio::join!(read(reading, source), feeding.put_all(stream, counts, &bar));
    // That the stream takes nothing is why reading ended, where both failed.
    let put = put.map_err(Failure::internal);
    put.and(read).map_err(|failure| with_put(failure, Some(stream), counts))
}

/// No call at all is a mistake of the user, unless the question was what there is.
fn any_call(source: &Source, imported: Imported) -> Result<Imported, Failure> {
    if imported.calls > 0 || imported.understood.is_some() {
        return Ok(imported);
    }
    let of = match &source.files[..] {
        [file] => file.display().to_string(),
        files => format!("the {} files", files.len()),
    };
    let rows = HumanCount(imported.refused.rows());
    let reasons = imported.refused.reasons();
    Err(Failure::user(anyhow!("no call of {of} can be used ({rows} rows refused{reasons}); nothing was written")))
}

/// A failure with what is on the stream all the same.
fn with_put(failure: Failure, stream: Option<&Stream>, counts: &PutCounts) -> Failure {
    let Some(stream) = stream.filter(|_| counts.put() + counts.unsure() > 0) else { return failure };
    let unsure = match counts.unsure() {
        0 => String::new(),
        unsure => format!(", and perhaps {} more whose requests had no answer", HumanCount(unsure)),
    };
    failure.context(format!(
        "{} calls are on stream {}{unsure}, and no file was written; run the same import again: a call that is on the \
         stream already counts once",
        HumanCount(counts.put()),
        stream.name
    ))
}

fn summary(arguments: &Arguments, imported: &Imported, put: Option<(&Stream, &PutCounts)>) -> String {
    let files = arguments.output.as_deref().map(|output| match imported.names.len() {
        1 => format!(" into {}", output.display()),
        files => format!(" into {} ({files} files)", output.display()),
    });
    let onto = put.map(|(stream, _)| format!(" onto stream {}", stream.name));
    let and = if files.is_some() && onto.is_some() { " and" } else { "" };
    let calls = HumanCount(imported.calls);
    let begun = imported.span.map_or_else(String::new, |span| format!(", begun {}", span.text()));
    let rows = HumanCount(imported.rows);
    let put = put.map_or_else(String::new, |(_, counts)| {
        let (put, again) = (HumanCount(counts.put()), HumanCount(counts.again()));
        let (seconds, rate) = (counts.seconds(), HumanCount(counts.rate()));
        format!("  put      {put} in {seconds:.1} s, {rate} calls a second, {again} put again\n")
    });
    let late = imported.hours_late.map_or_else(String::new, |hours| {
        format!("  late     up to {hours} hours: counted where ALLOWED_LATENESS_HOURS is above, else quarantined\n")
    });
    format!(
        "imported {calls} calls{}{and}{}\n  rows     {rows}\n  calls    {calls}{begun}\n{put}{late}{}",
        files.unwrap_or_default(),
        onto.unwrap_or_default(),
        imported.refused.summary(),
    )
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time: give at least 1s, such as 10s or 5m");
    times::parse_duration(text).filter(|time| !time.is_zero()).ok_or_else(wrong)
}
