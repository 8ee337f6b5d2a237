//! Whole statements, as engines get them. That they are right is for `tests/parity` to say, which runs them; here
//! stands what they are made of, and that nothing else is in them.
#![allow(clippy::unwrap_used)]

use feature_sql::{CompileError, Compiled, Input, STATEMENT_BYTES_MAX, Target, compile, create_table};
use features::{FeatureSet, Field, Level, Party, Window};

const SETTINGS: &str = "[settings]\ndefault_region = 'US'\nrange_digits = 4\nzone = 'Europe/Berlin'\n\
                        [settings.stream_levels]\ncaller = ['phone']\n";

/// A slot of every kind, a formula of every kind, and a feature of the stream alone.
const EVERYTHING: &str = r#"
[[feature]]
name = "answered_share"
of = "count(outcome = 'answered')"
per = "count"
party = ["caller"]
level = ["phone", "prefix"]
batch = ["1d", "7d"]
decimals = 2

[[feature]]
name = "spread"
of = "stddev(talk_ms)"
where = "channel is null or channel = 'voice'"
party = ["caller"]
level = ["phone"]
batch = ["7d"]

[[feature]]
name = "shortest"
of = "min(ring_ms)"
party = ["caller"]
level = ["phone"]
batch = ["7d"]

[[feature]]
name = "hours"
of = "distinct(hour_local)"
party = ["caller"]
level = ["phone"]
batch = ["7d"]

[[feature]]
name = "days"
of = "active_days"
where = "is_international"
party = ["caller"]
level = ["phone"]
batch = ["7d"]

[[feature]]
name = "pace"
of = "rate"
party = ["callee"]
level = ["range"]
batch = ["30d"]

[[feature]]
name = "cost"
of = "sum(cost_micros)"
where = "currency = 'USD'"
party = ["callee"]
level = ["range"]
batch = ["30d"]

[[feature]]
name = "now"
of = "count"
party = ["callee"]
level = ["phone"]
stream = ["5m"]
"#;

fn set(features: &str) -> FeatureSet {
    FeatureSet::parse(&format!("{SETTINGS}{features}"), |_| Err("there are no lists".to_owned())).unwrap()
}

fn shown(compiled: &Compiled) -> String {
    let mut text = format!("{}\n\n-- check\n{}\n", compiled.calls_statement, compiled.check);
    for table in &compiled.tables {
        let (party, level) = (table.party.as_str(), table.level.as_str());
        text.extend(["\n-- ", party, " ", level, "\n", &table.query, "\n"]);
    }
    text.replace(number_plan(), "PLAN")
}

fn number_plan() -> &'static str {
    FeatureSet::default_set().unwrap().number_plan()
}

#[test]
fn statements_for_spark() {
    insta::assert_snapshot!(shown(&compile(&set(EVERYTHING), Target::Spark).unwrap()));
}

#[test]
fn statements_for_athena() {
    let compiled = compile(&set(EVERYTHING), Target::Athena).unwrap();
    insta::assert_snapshot!(create_table("s3://calls/raw/") + "\n" + &shown(&compiled));
}

#[test]
fn parquet_of_calls_has_neither_position_nor_arrival() {
    let compiled = compile(&set(EVERYTHING), Target::Spark).unwrap();
    insta::assert_snapshot!(compiled.records(Input::Parquet));
}

#[test]
fn columns_are_those_of_the_wide_face() {
    let set = FeatureSet::default_set().unwrap();
    for target in Target::ALL {
        let compiled = compile(&set, target).unwrap();
        let levels = Party::ALL.into_iter().flat_map(|party| Level::ALL.map(|level| (party, level)));
        let batched: Vec<_> = levels.filter(|(party, level)| !set.batch_windows(*party, *level).is_empty()).collect();
        let tables: Vec<_> = compiled.tables.iter().map(|table| (table.party, table.level)).collect();
        assert_eq!(tables, batched);
        for table in &compiled.tables {
            let features = set.features_at(table.party, table.level);
            let ids: Vec<String> = features
                .flat_map(|feature| feature.batch.iter().map(|window| feature.id(Window::Batch(*window))))
                .collect();
            assert_eq!(table.columns, ids);
        }
        assert_eq!(compiled.longest_days, 90);
    }
}

#[test]
fn kinds_of_numbers_are_named_as_records_name_them() {
    let kinds = Field::Kind(Party::Caller).vocabulary();
    let calls = compile(&set(EVERYTHING), Target::Spark).unwrap();
    for (kind, text) in [("e164", &calls.calls), ("anonymous", &calls.tables[0].query)] {
        assert!(kinds.contains(&kind) && text.contains(&format!("'{kind}'")), "{kind}");
    }
}

#[test]
fn what_cannot_be_compiled_is_refused_with_a_remedy() {
    let streamed = "[[feature]]\nname='f'\nof='count'\nparty=['caller']\nlevel=['phone']\nstream=['5m']\n";
    assert_eq!(compile(&set(streamed), Target::Spark).unwrap_err(), CompileError::NothingToCompute);

    let values: Vec<String> = (0..STATEMENT_BYTES_MAX / 10).map(|number| format!("{number:09}")).collect();
    let listed = "[[feature]]\nname='f'\nof='count'\nwhere=\"trunk in list('l')\"\nparty=['callee']\nlevel=['range']\nbatch=['1d']\n";
    let file = format!("{SETTINGS}[lists]\nl = 'l.csv'\n{listed}");
    let set = FeatureSet::parse(&file, |_| Ok(format!("trunk\n{}\n", values.join("\n")))).unwrap();
    assert!(compile(&set, Target::Spark).is_ok());
    let error = compile(&set, Target::Athena).unwrap_err();
    assert!(
        matches!(error, CompileError::TooLong { party: "callee", level: "range", bytes } if bytes > STATEMENT_BYTES_MAX)
    );
    assert!(error.to_string().contains("shorten the lists"), "{error}");
}
