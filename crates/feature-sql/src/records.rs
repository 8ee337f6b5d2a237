//! The files as one relation of records: a row a record, with the fields that engines without a number plan cannot
//! make.

use features::{Field, Party};

use crate::target::Target;

/// What the relation `archive` is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Lines of the archive, `raw/`.
    Lines,
    /// Parquet that `tollwatch import` or `generate` wrote. It knows no position and no arrival.
    Parquet,
}

/// Which version of the number plan derived the fields of a record.
pub(crate) const NUMBER_PLAN: &str = "number_plan";
/// Times of a record in its files; the relation has them as milliseconds.
const TIMES: [&str; 3] = ["started_at", "answered_at", "ended_at"];

/// Fields of a record that are no times, and the integers among them.
fn plain_fields() -> impl Iterator<Item = (&'static str, bool)> {
    const PLAIN: [Field; 11] = [
        Field::CallId,
        Field::Number(Party::Caller),
        Field::Number(Party::Callee),
        Field::Outcome,
        Field::Channel,
        Field::Trunk,
        Field::CellId,
        Field::Imei,
        Field::CostMicros,
        Field::Currency,
        Field::CallerIp,
    ];
    PLAIN.into_iter().map(|field| (field.as_str(), field == Field::CostMicros))
}

fn derived_fields() -> impl Iterator<Item = &'static str> {
    let of = |party| [Field::Country(party), Field::Prefix(party), Field::Kind(party)].map(Field::as_str);
    [NUMBER_PLAN].into_iter().chain(Party::ALL.into_iter().flat_map(of))
}

/// The columns of `archive` over lines, as Spark and the DDL of Athena write types.
pub(crate) fn archive_columns() -> String {
    let typed =
        |(name, is_integer): (&str, bool)| format!("{name}: {}", if is_integer { "bigint" } else { "string" });
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name, false)).collect::<Vec<_>>();
    let call: Vec<String> = plain_fields().chain(texts(&TIMES)).map(typed).collect();
    let derived: Vec<String> = derived_fields().map(|name| typed((name, false))).collect();
    format!(
        "`position` string, arrived_at string, `call` struct<{}>, derived struct<{}>",
        call.join(", "),
        derived.join(", ")
    )
}

/// The statement that makes lines below `location`, an `s3://` URL, the table `archive` of Athena.
pub fn create_table(location: &str) -> String {
    let columns = archive_columns().replace(": ", ":");
    let columns = columns.replace(", `call` struct", ",\n  `call` struct").replace(", derived", ",\n  derived");
    format!(
        "create external table archive (\n  {columns}\n)\nrow format serde 'org.openx.data.jsonserde.JsonSerDe'\n\
         with serdeproperties ('ignore.malformed.json' = 'true')\nlocation {}\n",
        Target::Athena.text(location)
    )
}

/// The query over `archive` that yields `records`. Lines that hold bytes instead of a call, which could not be read,
/// are left out.
pub(crate) fn records(target: Target, input: Input) -> String {
    let (call, derived) = match input {
        Input::Lines => (format!("a.{}.", target.name("call")), "a.derived.".to_owned()),
        Input::Parquet => ("a.".to_owned(), "a.".to_owned()),
    };
    let mut columns = match input {
        Input::Lines => {
            let position = target.name("position");
            vec![format!("a.{position} as {position}"), named(&target.ms_of_text("a.arrived_at"), "arrived_at_ms")]
        }
        Input::Parquet => {
            let none = |kind: &str| format!("cast(null as {kind})");
            vec![
                format!("{} as {}", none(target.text_type()), target.name("position")),
                named(&none("bigint"), "arrived_at_ms"),
            ]
        }
    };
    columns.extend(TIMES.iter().map(|name| {
        let time = format!("{call}{name}");
        let ms = if input == Input::Lines { target.ms_of_text(&time) } else { target.ms_of_timestamp(&time) };
        named(&ms, &format!("{name}_ms"))
    }));
    columns.extend(plain_fields().map(|(name, _)| named(&format!("{call}{name}"), name)));
    columns.extend(derived_fields().map(|name| named(&format!("{derived}{name}"), name)));
    format!("select\n  {}\nfrom archive as a\nwhere {call}call_id is not null", columns.join(",\n  "))
}

fn named(value: &str, name: &str) -> String {
    format!("{value} as {name}")
}
