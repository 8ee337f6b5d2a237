//! What an import writes to: which file the calls of which input go to, in which format.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::ValueEnum;
use objects::Location;

use crate::failure::{Blame as _, Failure, Outcome};
use crate::import::inputs::ImportFile;

/// Format and compression of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[value(name = "jsonl")]
    JsonLines,
    #[value(name = "jsonl.gz")]
    JsonLinesGzip,
    #[value(name = "parquet")]
    Parquet,
}

impl OutputFormat {
    /// How names end.
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

/// Where the calls go.
pub(crate) enum Target {
    /// All into one file.
    File { path: PathBuf, format: OutputFormat },
    /// Those of each input into a file of its own.
    Folder { path: PathBuf, format: OutputFormat },
}

impl Target {
    /// What the user means by --output and --as.
    // The arms are in the order of precedence.
    #[allow(clippy::match_same_arms)]
    pub(crate) fn of(path: &Path, format: Option<OutputFormat>) -> Result<Self, Failure> {
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

    /// Whether each input gets a file of its own.
    pub(crate) const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    /// The format of all that is written.
    pub(crate) const fn format(&self) -> OutputFormat {
        match self {
            Self::File { format, .. } | Self::Folder { format, .. } => *format,
        }
    }

    /// The folder that files appear in.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Folder { path, .. } => path,
            Self::File { path, .. } => {
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
        }
    }

    /// The name of the file that the calls of each input go to.
    pub(crate) fn names(&self, inputs: &[ImportFile]) -> Result<Vec<String>, Failure> {
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
pub(crate) fn check_inputs_stay(
    files: &[PathBuf],
    refused: Option<&Path>,
    target: Option<&Target>,
    names: &[String],
) -> Outcome {
    // What a path leads to, or would: links are followed as far as there is something.
    let place = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or(path.to_owned());
    let folder = target.map_or(Path::new(""), Target::folder);
    let outputs: HashSet<PathBuf> = names.iter().map(|name| place(&folder.join(name))).collect();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::import::inputs::inputs;

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
