//! `tollwatch features`.

use std::fmt::Write as _;
use std::path::PathBuf;

use ::features::{Feature, FeatureSet, Level, Party};
use anyhow::anyhow;
use feature_sql::{Compiled, Input, Target, compile, create_table};
use objects::Location;
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
    /// SQL that computes the columns of a snapshot's wide face, for Spark or Athena (docs/spark.md)
    Compile {
        /// The dialect
        #[arg(long, value_parser = ["spark", "athena"])]
        target: String,
        /// One statement alone: archive (for Athena), calls, check, or a party and level such as caller:phone
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Where the archive lies, for the statement that makes it a table of Athena
        #[arg(long, value_name = "LOCATION", default_value = "s3://your-bucket/raw/")]
        archive: Location,
        /// Print JSON instead: what the Spark job is given
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        definitions: FeatureFile,
    },
}

/// Lists, checks or compiles.
#[expect(clippy::unused_async, reason = "every subcommand is called the same way")]
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List { definitions, json: false } => print(&as_table(&*definitions.read()?)),
        Command::List { definitions, json: true } => print(&as_json(&*definitions.read()?)?),
        Command::Validate { file } => {
            let set = definition_file::read(file.as_deref()).or_user()?;
            print(&format!("ok: {} features, version {}\n", set.features().len(), set.version()))
        }
        Command::Compile { target, only, archive, json, definitions } => {
            let target = target.parse().or_internal()?;
            let compiled = compile(&*definitions.read()?, target).or_user()?;
            if json {
                print(&compiled_json(&compiled)?)
            } else {
                print(&script(&compiled, only.as_deref(), &archive)?)
            }
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

/// The statements with their names, or one without.
fn script(compiled: &Compiled, only: Option<&str>, archive: &Location) -> Result<String, Failure> {
    let mut statements = Vec::new();
    if compiled.target == Target::Athena {
        let location = archive.to_string();
        statements.push(("archive".to_owned(), create_table(&format!("{}/", location.trim_end_matches('/')))));
    }
    statements.push(("calls".to_owned(), compiled.calls_statement.clone()));
    statements.push(("check".to_owned(), compiled.check.clone()));
    statements.extend(compiled.tables.iter().map(|table| (name(table.party, table.level), table.query.clone())));
    let Some(only) = only else {
        let head =
            format!("-- Features of version {}, for {}\n", compiled.feature_set_version, compiled.target.as_str());
        return Ok(statements
            .iter()
            .fold(head, |text, (name, sql)| format!("{text}\n-- {name}\n{};\n", sql.trim_end())));
    };
    let names: Vec<String> = statements.iter().map(|(name, _)| name.clone()).collect();
    let found = statements.into_iter().find(|(name, _)| name == only);
    let unknown = || Failure::user(anyhow!("--only {only:?} is no statement: wants one of {}", names.join(", ")));
    found.map(|(_, sql)| sql.trim_end().to_owned() + "\n").ok_or_else(unknown)
}

fn compiled_json(compiled: &Compiled) -> Result<String, Failure> {
    let tables: Vec<Value> = compiled
        .tables
        .iter()
        .map(|table| {
            json!({
                "party": table.party.as_str(),
                "level": table.level.as_str(),
                "columns": table.columns,
                "query": table.query,
            })
        })
        .collect();
    let all = json!({
        "target": compiled.target.as_str(),
        "feature_set_version": compiled.feature_set_version,
        "longest_days": compiled.longest_days,
        "archive_columns": compiled.archive_columns,
        "records": {
            "lines": compiled.records(Input::Lines),
            "parquet": compiled.records(Input::Parquet),
        },
        "calls": compiled.calls,
        "check": compiled.check,
        "tables": tables,
    });
    let mut text = serde_json::to_string_pretty(&all).or_internal()?;
    text.push('\n');
    Ok(text)
}

fn name(party: Party, level: Level) -> String {
    format!("{}:{}", party.as_str(), level.as_str())
}

fn levels(feature: &Feature) -> Vec<&'static str> {
    feature.levels.iter().map(|level| level.as_str()).collect()
}

fn windows(feature: &Feature) -> Vec<String> {
    feature.windows().map(|window| window.to_string()).collect()
}
