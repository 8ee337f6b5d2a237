//! From records to calls: the days that windows cover, each call once, and the fields that follow by arithmetic.

use std::collections::BTreeSet;

use features::{DAY_MS, Expr, FeatureSet, Field, Level, MINUTE_MS, Party};

use crate::records::NUMBER_PLAN;
use crate::target::{Target, whole_units};

/// Days from the day of a call to `as_of`; 0 is `as_of`.
pub(crate) const DAYS_AGO: &str = "days_ago";

/// The query over `records` and `as_of` that yields `calls`.
///
/// Of records with the same caller, call id and start minute it keeps the one with the lowest arrival, then position,
/// as the batch job does. Where neither tells copies apart, the job takes their place in the files, which SQL does not
/// know; here their contents decide, so that the answer is at least always the same.
pub(crate) fn calls(target: Target, set: &FeatureSet, longest_days: u32) -> String {
    let mut columns = vec![DAYS_AGO.to_owned(), NUMBER_PLAN.to_owned()];
    columns.extend(fields_of(set).into_iter().map(|field| {
        let value = value(target, set, field);
        if value == field.as_str() { value } else { format!("{value} as {}", field.as_str()) }
    }));
    let position = target.name("position");
    let content = [
        "ended_at_ms",
        "answered_at_ms",
        "started_at_ms",
        "callee",
        "outcome",
        "channel",
        "trunk",
        "cell_id",
        "imei",
        "cost_micros",
        "currency",
        "caller_ip",
    ];
    let order: Vec<String> = ["arrived_at_ms", position.as_str()]
        .into_iter()
        .chain(content)
        .map(|column| format!("{column} asc nulls last"))
        .collect();
    format!(
        "select\n  {columns}\nfrom (\n  select r.*, row_number() over (\n    partition by caller, call_id, {minute}\n    \
         order by {order}\n  ) as copy_number\n  from (\n    select as_of_day - {day} as {DAYS_AGO}, records.*\n    \
         from records cross join as_of\n  ) as r\n  where r.{DAYS_AGO} between 0 and {last}\n) as c\nwhere copy_number = 1",
        columns = columns.join(",\n  "),
        minute = whole_units("started_at_ms", MINUTE_MS),
        order = order.join(", "),
        day = whole_units("started_at_ms", DAY_MS),
        last = longest_days.saturating_sub(1),
    )
}

/// The column of a party that names it at a level, and the condition that it names anything.
pub(crate) fn key_of(party: Party, level: Level) -> (&'static str, String) {
    let field = match level {
        Level::Phone => {
            let kind = Field::Kind(party).as_str();
            return (Field::Number(party).as_str(), format!("{kind} <> 'anonymous'"));
        }
        Level::Prefix => Field::Prefix(party).as_str(),
        Level::Range => Field::Range(party).as_str(),
    };
    (field, format!("{field} is not null"))
}

/// The fields that definitions name, and those that name entities.
fn fields_of(set: &FeatureSet) -> BTreeSet<Field> {
    let mut fields = BTreeSet::new();
    for party in Party::ALL {
        fields.extend([Field::Number(party), Field::Kind(party), Field::Prefix(party), Field::Range(party)]);
        for expr in set.slots(party).iter().flat_map(|slot| slot.input.iter().chain(&slot.condition)) {
            let named =
                |expr: &Expr| Field::ALL.into_iter().filter(|field| expr.mentions(*field)).collect::<Vec<_>>();
            fields.extend(named(expr));
        }
    }
    fields
}

/// A field of a row of `records`. Number plans are data, and came with the record; the rest follows from the record
/// and the settings of these definitions, which may be younger than the archive.
fn value(target: Target, set: &FeatureSet, field: Field) -> String {
    let settings = set.settings();
    match field {
        Field::TalkMs => "(case when answered_at_ms is null then 0 else ended_at_ms - answered_at_ms end)".to_owned(),
        Field::RingMs => "(coalesce(answered_at_ms, ended_at_ms) - started_at_ms)".to_owned(),
        Field::Range(party) => {
            let (number, kind) = (Field::Number(party).as_str(), Field::Kind(party).as_str());
            let digits = settings.range_digits;
            format!("(case when {kind} = 'e164' then substr({number}, 1, length({number}) - {digits}) end)")
        }
        Field::IsInternational => {
            let [caller, callee] = Party::ALL.map(|party| Field::Country(party).as_str());
            format!("({caller} <> {callee})")
        }
        Field::HourLocal => target.hour("started_at_ms", &settings.zone),
        Field::WeekdayLocal => target.weekday("started_at_ms", &settings.zone),
        carried => carried.as_str().to_owned(),
    }
}
