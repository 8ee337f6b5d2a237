//! `tollwatch import`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use call_files::{Compression, FileCall, FileError, JsonLinesWriter, ParquetWriter, ReadOptions};
use cdr::{CallRecord, NumberPlan};
use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar};
use objects::Location;
use pseudonyms::Pseudonyms;

use crate::call_input::{ReadFlags, Refusals, read_calls};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::import_files::{ImportFile, inputs};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::progress;
use crate::pseudonymize::PseudonymFlags;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files of calls; with --archive also folders, of which all files of calls are read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadFlags,
    /// One file for all calls, or a folder for a file each; what is there under these names is replaced
    #[arg(long, value_name = "FILE|FOLDER")]
    output: PathBuf,
    /// Format of the output [default: by its ending; Parquet in a folder]
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    output_format: Option<OutputFormat>,
    /// Write lines of the archive: position, arrival and derived fields beside each call. For files that are an
    /// archive themselves, such as one from before there were derived fields. In a folder each is put below its hour of
    /// arrival, YYYY/MM/DD/HH, where its path has one, and below the folders that it has in a folder that is named
    #[arg(long)]
    archive: bool,
    /// Region of numbers without a country, ISO 3166-1
    #[arg(long, default_value = "US")]
    region: String,
    /// List every row that cannot be used in this CSV file
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    pseudonyms: PseudonymFlags,
}

/// Format and compression of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    #[value(name = "jsonl")]
    JsonLines,
    #[value(name = "jsonl.gz")]
    JsonLinesGzip,
    #[value(name = "parquet")]
    Parquet,
}

impl OutputFormat {
    const fn ending(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::JsonLinesGzip => "jsonl.gz",
            Self::Parquet => "parquet",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        let ends = |ending: &str| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.'));
        match name {
            _ if ends("jsonl") || ends("ndjson") => Some(Self::JsonLines),
            _ if ends("jsonl.gz") || ends("ndjson.gz") => Some(Self::JsonLinesGzip),
            _ if ends("parquet") => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Turns the files into call records: all that is written appears at the end, or nothing does.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let options = arguments.read.options()?;
    let plan = NumberPlan::new(&arguments.region).context("--region").or_user()?;
    let pseudonyms = arguments.pseudonyms.open(|name| std::env::var(name).ok())?;
    let target = Target::of(&arguments.output, arguments.output_format)?;
    if arguments.archive && target.format() == OutputFormat::Parquet {
        return Err(Failure::user(anyhow!("--archive writes lines: give --as jsonl.gz, or an --output .jsonl.gz")));
    }
    let inputs = inputs(&arguments.files, arguments.archive)?;
    let names = target.names(&inputs)?;
    let files: Vec<PathBuf> = inputs.into_iter().map(|input| input.file).collect();
    check_inputs_stay(&files, arguments.refused.as_deref(), &target, &names)?;
    let folder = target.folder().to_owned();
    if !target.is_folder() && !folder.is_dir() {
        let shown = folder.display();
        return Err(Failure::user(anyhow!("cannot write to {shown}: there is no such folder; make it first")));
    }
    let refused = match &arguments.refused {
        Some(path) => Refusals::listed_in(path)?,
        None => Refusals::default(),
    };

    let is_new = target.is_folder() && !folder.exists();
    let cannot_write = || format!("cannot write to {}", folder.display());
    if target.is_folder() {
        fs::create_dir_all(&folder).with_context(cannot_write).or_user()?;
    }
    let format = target.format();
    let done = unless_interrupted("nothing was written", None, async {
        let staging = tempfile::Builder::new().prefix(".importing-").tempdir_in(&folder);
        let staging = staging.with_context(cannot_write).or_user()?;
        let mut import = Import {
            plan,
            pseudonyms,
            options,
            format,
            is_archive: arguments.archive,
            staging: staging.path().to_owned(),
            bar: progress::spinner("import calls"),
            writers: BTreeMap::new(),
            refused,
            calls: 0,
            span: None,
        };
        let work = tokio::task::spawn_blocking(move || {
            import.read(&files, &names)?;
            import.finish(&files)
        });
        let imported = work.await.or_internal()??;
        for name in &imported.names {
            let to = folder.join(name);
            make_folder_of(&to)
                .and_then(|()| fs::rename(staging.path().join(name), &to))
                .with_context(|| format!("cannot write {}", to.display()))
                .or_user()?;
        }
        Ok(imported)
    });
    let done = done.await;
    if done.is_err() && is_new {
        // What is in it now is not ours.
        let _ = fs::remove_dir(&folder);
    }
    let imported = done?;
    print(&imported.summary(&arguments.output))
}

fn make_folder_of(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Where the calls go.
enum Target {
    /// All into one file.
    File { path: PathBuf, format: OutputFormat },
    /// Those of each input into a file of its own.
    Folder { path: PathBuf, format: OutputFormat },
}

impl Target {
    // The arms are in the order of precedence.
    #[allow(clippy::match_same_arms)]
    fn of(path: &Path, format: Option<OutputFormat>) -> Result<Self, Failure> {
        let shown = path.display();
        let location = Location::parse(&path.to_string_lossy()).or_user()?;
        if location.is_s3() {
            let problem = anyhow!("--output {shown}: import writes to this machine; copy the files to S3 afterwards");
            return Err(Failure::user(problem));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = path.to_owned();
        let is_folder = path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator);
        match (OutputFormat::of_name(&name), format) {
            _ if is_folder => Ok(Self::Folder { path, format: format.unwrap_or(OutputFormat::Parquet) }),
            (Some(ending), Some(format)) if ending != format => {
                let problem = anyhow!("--output {shown} and --as {} say different formats", format.ending());
                Err(Failure::user(problem))
            }
            (Some(format), _) => Ok(Self::File { path, format }),
            (None, format) if !name.contains('.') => {
                Ok(Self::Folder { path, format: format.unwrap_or(OutputFormat::Parquet) })
            }
            (None, Some(format)) => Ok(Self::File { path, format }),
            (None, None) => Err(Failure::user(anyhow!(
                "--output {shown} has no known ending: wants .jsonl, .jsonl.gz or .parquet, a folder, or --as FORMAT"
            ))),
        }
    }

    const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    const fn format(&self) -> OutputFormat {
        match self {
            Self::File { format, .. } | Self::Folder { format, .. } => *format,
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Folder { path, .. } => path,
            Self::File { path, .. } => {
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
        }
    }

    /// The name of the file that the calls of each input go to.
    fn names(&self, inputs: &[ImportFile]) -> Result<Vec<String>, Failure> {
        let names = inputs.iter().map(|input| match self {
            Self::File { path, .. } => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Folder { format, .. } => {
                let name = format!("{}.{}", stem(&input.file), format.ending());
                input.below.join(name).to_string_lossy().into_owned()
            }
        });
        let names: Vec<String> = names.collect();
        let mut seen = HashSet::new();
        if self.is_folder()
            && let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str()))
        {
            let problem =
                anyhow!("two files would both become {twice}: give them one by one, or one file as --output");
            return Err(Failure::user(problem));
        }
        Ok(names)
    }
}

/// The name of a file without what tells its format and compression.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// Refuses to replace what is read: rows that cannot be used would be lost with it.
fn check_inputs_stay(files: &[PathBuf], refused: Option<&Path>, target: &Target, names: &[String]) -> Outcome {
    // What a path leads to, or would: links are followed as far as there is something.
    let place = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or(path.to_owned());
    let outputs: HashSet<PathBuf> = names.iter().map(|name| place(&target.folder().join(name))).collect();
    if let Some(refused) = refused.filter(|refused| outputs.contains(&place(refused))) {
        let refused = refused.display();
        return Err(Failure::user(anyhow!("--refused {refused} is the output too: choose another file")));
    }
    let refused = refused.map(place);
    for file in files {
        let found = place(file);
        if outputs.contains(&found) || refused.as_ref() == Some(&found) {
            let file = file.display();
            return Err(Failure::user(anyhow!("{file} would be replaced by its own import: choose another output")));
        }
    }
    Ok(())
}

/// An import that runs. It writes to the staging folder.
struct Import {
    plan: NumberPlan,
    pseudonyms: Option<Pseudonyms>,
    options: ReadOptions,
    format: OutputFormat,
    is_archive: bool,
    staging: PathBuf,
    bar: ProgressBar,
    writers: BTreeMap<String, Writer>,
    refused: Refusals,
    calls: u64,
    /// When the first and the last call began, in milliseconds since 1970 UTC.
    span: Option<(i64, i64)>,
}

/// Calls between two looks at the spinner.
const SPINNER_STEP: u64 = 10_000;

impl Import {
    fn read(&mut self, files: &[PathBuf], names: &[String]) -> Outcome {
        for (file, name) in files.iter().zip(names) {
            let mut refused = std::mem::take(&mut self.refused);
            let Self { plan, pseudonyms, options, format, is_archive, staging, bar, writers, calls, span, .. } = self;
            let read = read_calls(file, plan, options, pseudonyms.as_ref(), &mut refused, |read| {
                if !writers.contains_key(name) {
                    let path = staging.join(name);
                    make_folder_of(&path).with_context(|| format!("cannot write {}", path.display())).or_user()?;
                    writers.insert(name.clone(), Writer::create(&path, *format).or_user()?);
                }
                if let Some(writer) = writers.get_mut(name) {
                    if *is_archive {
                        writer.write_archived(file, &read)?;
                    } else {
                        writer.write(&read.call).or_user()?;
                    }
                }
                let call = read.call;
                *calls += 1;
                let (first, last) = span.unwrap_or((call.started_at_ms, call.started_at_ms));
                *span = Some((first.min(call.started_at_ms), last.max(call.started_at_ms)));
                if calls.is_multiple_of(SPINNER_STEP) {
                    bar.set_message(format!("{} calls", HumanCount(*calls)));
                }
                Ok(())
            });
            self.refused = refused;
            read?;
        }
        Ok(())
    }

    fn finish(mut self, files: &[PathBuf]) -> Result<Imported, Failure> {
        self.bar.finish_and_clear();
        self.refused.tell()?;
        let Some(span) = self.span else {
            let of =
                if let [file] = files { file.display().to_string() } else { format!("the {} files", files.len()) };
            let rows = HumanCount(self.refused.rows());
            return Err(Failure::user(anyhow!(
                "no call of {of} can be used ({rows} rows refused{}); nothing was written",
                self.refused.reasons()
            )));
        };
        let mut names = Vec::new();
        for (name, writer) in self.writers {
            writer.finish().or_user()?;
            names.push(name);
        }
        Ok(Imported { names, calls: self.calls, span, refused: self.refused })
    }
}

enum Writer {
    JsonLines(JsonLinesWriter),
    Parquet(Box<ParquetWriter>),
}

impl Writer {
    fn create(path: &Path, format: OutputFormat) -> Result<Self, FileError> {
        Ok(match format {
            OutputFormat::JsonLines => Self::JsonLines(JsonLinesWriter::create(path, Compression::None)?),
            OutputFormat::JsonLinesGzip => Self::JsonLines(JsonLinesWriter::create(path, Compression::Gzip)?),
            OutputFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::create(path)?)),
        })
    }

    fn write(&mut self, call: &CallRecord) -> Result<(), FileError> {
        match self {
            Self::JsonLines(writer) => writer.write(call),
            Self::Parquet(writer) => writer.write(call),
        }
    }

    fn write_archived(&mut self, file: &Path, read: &FileCall) -> Outcome {
        match (self, read) {
            (
                Self::JsonLines(writer),
                FileCall { position: Some(position), arrived_at_ms: Some(arrived_at_ms), call, .. },
            ) => writer.write_archived(position, *arrived_at_ms, call).or_user(),
            _ => Err(Failure::user(anyhow!(
                "{} row {}: has no position and arrival, which lines of the archive need; leave out --archive",
                file.display(),
                read.row
            ))),
        }
    }

    fn finish(self) -> Result<u64, FileError> {
        match self {
            Self::JsonLines(writer) => writer.finish(),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}

/// What became of the files.
struct Imported {
    names: Vec<String>,
    calls: u64,
    span: (i64, i64),
    refused: Refusals,
}

impl Imported {
    fn summary(&self, output: &Path) -> String {
        let files = match self.names.len() {
            1 => String::new(),
            files => format!(" ({files} files)"),
        };
        let (first, last) = (cdr::format_time(self.span.0), cdr::format_time(self.span.1));
        let rows = HumanCount(self.calls + self.refused.rows());
        format!(
            "imported {calls} calls into {output}{files}\n  rows     {rows}\n  calls    {calls}, begun from {first} to {last}\n{refused}",
            calls = HumanCount(self.calls),
            output = output.display(),
            refused = self.refused.summary(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target(path: &str, format: Option<OutputFormat>) -> Result<Target, String> {
        Target::of(Path::new(path), format).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn endings_tell_formats_and_what_has_none_is_a_folder() {
        for (path, format) in [
            ("x/calls.jsonl", OutputFormat::JsonLines),
            ("calls.ndjson.gz", OutputFormat::JsonLinesGzip),
            ("calls.parquet", OutputFormat::Parquet),
        ] {
            assert!(matches!(target(path, None).unwrap(), Target::File { format: found, .. } if found == format));
        }
        assert!(target("calls", None).unwrap().is_folder());
        assert!(target("calls.2026/", None).unwrap().is_folder());
        assert!(target("calls.txt", None).is_err());
        assert!(!target("calls.txt", Some(OutputFormat::JsonLines)).unwrap().is_folder());
        assert!(target("calls.parquet", Some(OutputFormat::JsonLines)).is_err());
        assert!(target("s3://bucket/calls.parquet", None).is_err());
    }

    #[test]
    fn files_keep_their_names_in_a_folder() {
        let folder = target("out/", Some(OutputFormat::JsonLinesGzip)).unwrap();
        let names = |files: &[&str], is_archive| {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            folder.names(&inputs(&files, is_archive).unwrap()).ok()
        };
        let found = names(&["a/Master.csv.gz", "b/calls.2026.jsonl"], false).unwrap();
        assert_eq!(found, ["Master.jsonl.gz", "calls.2026.jsonl.gz"]);
        assert_eq!(names(&["a/Master.csv", "b/Master.csv"], false), None);
        // Those of an archive keep their hours, which other files do not have.
        let hours = ["raw/2026/11/20/10/p.jsonl", "raw/2026/11/20/11/p.jsonl.gz", "2026/11/20/24/p.jsonl"];
        let found = names(&hours, true).unwrap();
        assert_eq!(found, ["2026/11/20/10/p.jsonl.gz", "2026/11/20/11/p.jsonl.gz", "p.jsonl.gz"]);
        assert_eq!(names(&hours, false), None);
    }
}
