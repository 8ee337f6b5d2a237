//! The answer as a table: a row a feature, a column a window.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ::features::Window;
use proto::v1::{DayGapReason, FeatureValue, GetFeaturesResponse, Level, MissingReason, Party, Source, Value};

/// The whole text.
pub(crate) fn render(response: &GetFeaturesResponse) -> String {
    let mut text = head(response);
    for (party, title) in [(Party::PARTY_CALLER, "as caller"), (Party::PARTY_CALLEE, "as callee")] {
        let values: Vec<&FeatureValue> = response.values.iter().filter(|value| value.party == party).collect();
        if !values.is_empty() {
            text.push('\n');
            text.push_str(&grid(title, &values));
        }
    }
    let no_value = no_value(response);
    let marks = [
        ("-", no_value.as_str(), response.values.iter().any(|value| value.value.is_none())),
        ("~", "estimate", response.values.iter().any(|value| value.value.is_some() && !value.exact)),
        ("!", "calls in it were not checked for duplicates", response.values.iter().any(|v| v.duplicates_unchecked)),
    ];
    let legend: Vec<String> =
        marks.iter().filter(|(_, _, used)| *used).map(|(mark, means, _)| format!("{mark} {means}")).collect();
    if !legend.is_empty() {
        let _ = write!(text, "\n{}\n", legend.join(", "));
    }
    text
}

fn head(response: &GetFeaturesResponse) -> String {
    let moment = |sent: Option<&proto::Timestamp>| sent.and_then(proto::to_millis).map(cdr::format_time);
    let level = match response.entity.level.as_known() {
        Some(Level::LEVEL_PREFIX) => "prefix",
        Some(Level::LEVEL_RANGE) => "range",
        _ => "phone",
    };
    let mut text = format!("{level} {}\n", response.entity.key);
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14} {value}");
    };
    line("as of", &moment(response.as_of.as_option()).unwrap_or_default());
    line("feature set", &response.feature_set_version);
    let of_batch =
        |value: &&FeatureValue| matches!(value.source.as_known(), Some(Source::SOURCE_BATCH | Source::SOURCE_MERGED));
    match moment(response.complete_for_arrivals_before.as_option()) {
        Some(before) => line("batch has", &format!("every call that arrived before {before}")),
        None if response.values.iter().any(|value| of_batch(&value)) => {
            line("batch has", "all calls of its input; the job was not told up to when all had arrived");
        }
        None => {}
    }
    let ends = |value: &FeatureValue| value.window_end.as_option().and_then(proto::to_millis);
    let as_of = response.as_of.as_option().and_then(proto::to_millis);
    let days_end = response.values.iter().filter(of_batch).filter_map(ends).min().filter(|end| Some(*end) < as_of);
    if let Some(end) = days_end {
        line("days end", &format!("{}, with the snapshot", cdr::format_time(end)));
    }
    for gap in &response.day_gaps {
        let days = if gap.first_date == gap.last_date {
            gap.first_date.clone()
        } else {
            format!("{} to {}", gap.first_date, gap.last_date)
        };
        let lacks = match gap.reason.as_known() {
            Some(DayGapReason::DAY_GAP_REASON_NO_CALLS) => "no calls were made, or none came",
            Some(DayGapReason::DAY_GAP_REASON_NO_INPUT) => "no input: the calls begin later or end before",
            _ => "calls left out",
        };
        line("incomplete", &format!("{days}: {lacks}"));
    }
    for reason in &response.degraded_reasons {
        line("degraded", reason);
    }
    text
}

/// What a dash means, with every reason that the service gave.
fn no_value(response: &GetFeaturesResponse) -> String {
    let absent = response.values.iter().filter(|value| value.value.is_none());
    let reasons: BTreeSet<&str> = absent
        .map(|value| match value.missing_reason.as_known() {
            Some(MissingReason::MISSING_REASON_NO_CALLS) => "no calls to make it of",
            Some(MissingReason::MISSING_REASON_NO_SNAPSHOT) => "no snapshot",
            Some(MissingReason::MISSING_REASON_EXPIRED) => "not kept for that time",
            Some(MissingReason::MISSING_REASON_UNAVAILABLE) => "a store did not answer",
            Some(MissingReason::MISSING_REASON_NO_RECORDS) => "no records of that time",
            _ => "not said why",
        })
        .collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    format!("no value ({})", reasons.join(", "))
}

/// The values of one party.
fn grid(title: &str, values: &[&FeatureValue]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut windows: Vec<(Window, &str)> = Vec::new();
    let mut cells: Vec<(usize, Window, String)> = Vec::new();
    for value in values {
        let Some((name, text)) = value.id.rsplit_once('_') else { continue };
        let Some(window) = Window::parse(text) else { continue };
        let row = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        if !windows.iter().any(|(known, _)| *known == window) {
            windows.push((window, text));
        }
        cells.push((row, window, shown(value)));
    }
    windows.sort_by_key(|(window, _)| match window {
        Window::Stream(window) => (0, window.duration_ms()),
        Window::Batch(window) => (1, i64::from(window.days())),
    });

    let cell = |row: usize, window: Window| {
        let found = cells.iter().find(|(of, at, _)| (*of, *at) == (row, window));
        found.map_or("", |(_, _, text)| text.as_str())
    };
    let first_width = names.iter().map(|name| name.len()).chain([title.len()]).max().unwrap_or(0);
    let widths: Vec<usize> = windows
        .iter()
        .map(|(window, text)| {
            (0..names.len()).map(|row| cell(row, *window).len()).chain([text.len()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = format!("{title:<first_width$}");
    for ((_, window), width) in windows.iter().zip(&widths) {
        let _ = write!(text, "  {window:>width$}");
    }
    for (row, name) in names.iter().enumerate() {
        let mut line = format!("{name:<first_width$}");
        for ((window, _), width) in windows.iter().zip(&widths) {
            let _ = write!(line, "  {:>width$}", cell(row, *window));
        }
        text.push('\n');
        text.push_str(line.trim_end());
    }
    text.push('\n');
    text
}

fn shown(value: &FeatureValue) -> String {
    let number = match value.value {
        None => return "-".to_owned(),
        Some(Value::Integer(integer)) => integer.to_string(),
        Some(Value::Number(number)) => short(number),
    };
    let mark = if value.exact { "" } else { "~" };
    let unchecked = if value.duplicates_unchecked { "!" } else { "" };
    format!("{mark}{number}{unchecked}")
}

/// As many decimals as say something beside the size of the number.
fn short(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proto::v1::{DayGap, Entity};

    use super::*;

    fn value(id: &str, party: Party, value: Option<Value>, exact: bool) -> FeatureValue {
        let missing_reason = match value {
            None => MissingReason::MISSING_REASON_NO_CALLS,
            Some(_) => MissingReason::MISSING_REASON_UNSPECIFIED,
        };
        let (party, missing_reason) = (party.into(), missing_reason.into());
        FeatureValue { id: id.to_owned(), party, value, exact, missing_reason, ..Default::default() }
    }

    #[test]
    fn rows_are_features_and_columns_are_windows_from_short_to_long() {
        let (caller, callee) = (Party::PARTY_CALLER, Party::PARTY_CALLEE);
        let response = GetFeaturesResponse {
            entity: Entity { key: "+1202".to_owned(), level: Level::LEVEL_PREFIX.into(), ..Default::default() }
                .into(),
            feature_set_version: "v7".to_owned(),
            as_of: proto::from_millis(1_795_244_765_004).into(),
            values: vec![
                value("calls_24h", caller, Some(Value::Integer(12_345)), true),
                value("calls_5m", caller, Some(Value::Integer(7)), true),
                FeatureValue {
                    source: Source::SOURCE_BATCH.into(),
                    window_end: proto::from_millis(1_795_219_200_000).into(),
                    ..value("calls_90d", caller, Some(Value::Integer(99)), true)
                },
                value("distinct_callees_90d", caller, Some(Value::Integer(800)), false),
                value("answer_seizure_ratio_5m", caller, Some(Value::Number(2.0 / 3.0)), true),
                value("mean_talk_ms_24h", caller, None, true),
                value("received_calls_5m", callee, Some(Value::Integer(0)), true),
            ],
            degraded: true,
            degraded_reasons: vec!["no snapshot has been published".to_owned()],
            day_gaps: vec![DayGap {
                first_date: "2026-08-24".to_owned(),
                last_date: "2026-08-26".to_owned(),
                reason: DayGapReason::DAY_GAP_REASON_NO_INPUT.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let expected = "\
prefix +1202
as of          2026-11-21T07:06:05.004Z
feature set    v7
batch has      all calls of its input; the job was not told up to when all had arrived
days end       2026-11-21T00:00:00.000Z, with the snapshot
incomplete     2026-08-24 to 2026-08-26: no input: the calls begin later or end before
degraded       no snapshot has been published

as caller                5m    24h   90d
calls                     7  12345    99
distinct_callees                    ~800
answer_seizure_ratio  0.667
mean_talk_ms                     -

as callee       5m
received_calls   0

- no value (no calls to make it of), ~ estimate
";
        assert_eq!(render(&response), expected);
    }

    #[test]
    fn numbers_keep_three_digits_or_so() {
        let texts = [0.0, 0.5, 2.0 / 3.0, 1.005, 12.25, 123_456.7, -0.125].map(short);
        assert_eq!(texts, ["0", "0.5", "0.667", "1", "12.2", "123457", "-0.125"]);
    }
}
