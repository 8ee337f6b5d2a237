//! `tollwatch features`.

use std::fmt::Write as _;
use std::path::PathBuf;

use ::features::{Feature, FeatureSet};
use serde_json::{Value, json};

use crate::defaults::FeatureFile;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::output::print;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Every feature with its levels and windows
    List {
        #[command(flatten)]
        definitions: FeatureFile,
        /// Print JSON instead
        #[arg(long)]
        json: bool,
    },
    /// Check a file of definitions
    Validate {
        /// The file [default: the definitions that come with Tollwatch]
        file: Option<PathBuf>,
    },
}

/// Lists or checks.
#[expect(clippy::unused_async, reason = "every subcommand is called the same way")]
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List { definitions, json: false } => print(&as_table(&*definitions.read()?)),
        Command::List { definitions, json: true } => print(&as_json(&*definitions.read()?)?),
        Command::Validate { file } => {
            let set = definition_file::read(file.as_deref()).or_user()?;
            print(&format!("ok: {} features, version {}\n", set.features().len(), set.version()))
        }
    }
}

const HEADINGS: [&str; 5] = ["NAME", "PARTY", "LEVELS", "WINDOWS", "ABOUT"];

fn as_table(set: &FeatureSet) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(set.features().iter().map(|feature| {
        let about = feature.about.clone();
        let party = feature.party.as_str().to_owned();
        [feature.name.clone(), party, levels(feature).join(" "), windows(feature).join(" "), about]
    }));
    let widths: [usize; 4] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for [name, party, levels, windows, about] in &rows {
        let [w0, w1, w2, w3] = widths;
        let line = format!("{name:w0$}  {party:w1$}  {levels:w2$}  {windows:w3$}  {about}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    // Writing to a String does not fail.
    let _ = writeln!(text, "{} features, version {}", set.features().len(), set.version());
    text
}

fn as_json(set: &FeatureSet) -> Result<String, Failure> {
    let features: Vec<Value> = set
        .features()
        .iter()
        .map(|feature| {
            json!({
                "name": feature.name,
                "party": feature.party.as_str(),
                "levels": levels(feature),
                "stream": feature.stream.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "batch": feature.batch.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "of": feature.aggregate.as_str(),
                "about": feature.about,
            })
        })
        .collect();
    let all = json!({ "version": set.version(), "features": features });
    let mut text = serde_json::to_string_pretty(&all).or_internal()?;
    text.push('\n');
    Ok(text)
}

fn levels(feature: &Feature) -> Vec<&'static str> {
    feature.levels.iter().map(|level| level.as_str()).collect()
}

fn windows(feature: &Feature) -> Vec<String> {
    feature.windows().map(|window| window.to_string()).collect()
}
