//! Counts of different values, and of days, as a chain of relations: exact up to [`SPARSE_MAX`], then the estimate of
//! `features::Sketch` from the same registers (`docs/decisions/0002-own-distinct-sketch.md`).
//!
//! A value is 16 hex digits. The first three are the register; leading zeros of the other 13 (52 bits), plus one, are
//! its rank.

use std::fmt::Write as _;

use features::{BatchWindow, SKETCH_REGISTERS, SPARSE_MAX, Slot, SlotKind, Type};

use crate::calls::DAYS_AGO;
use crate::table::{Part, column};
use crate::target::Target;

/// Terms of the two series of the estimator. They end where a double no longer changes: the first series after 18
/// terms even if only one register is untouched by 4,095 others, the second after 18.
const TERMS: u32 = 20;

/// Whether a slot is counted by these relations.
pub(crate) const fn is_counted_here(kind: SlotKind) -> bool {
    matches!(kind, SlotKind::Distinct | SlotKind::Days)
}

/// From `inputs`, the relation `different`: a row a key, a column for each slot and window of `wanted`.
pub(crate) fn different(
    target: Target,
    slots: &[Slot],
    wanted: &[(usize, BatchWindow)],
    windows: &[BatchWindow],
) -> Vec<Part> {
    let mut places: Vec<usize> = wanted.iter().map(|(slot, _)| *slot).collect();
    places.dedup();
    let seen: Vec<String> =
        places.iter().map(|place| format!("when {place} then {}", seen_by(target, *place, &slots[*place]))).collect();
    let columns: Vec<String> = wanted
        .iter()
        .map(|(slot, window)| {
            let days = window.days();
            format!("max(case when slot = {slot} and window_days = {days} then n end) as {}", column(*slot, *window))
        })
        .collect();
    let part = |name: &'static str, query: String| Part { name, query };
    // Each relation is read once: Athena computes it anew for every reader.
    vec![
        // A value is in every window that reaches back to the last day it was seen on.
        part(
            "seen",
            format!(
                "select slot, key, seen_value, min({DAYS_AGO}) as nearest\nfrom (\n  select s.slot, i.key, \
                 i.{DAYS_AGO}, case s.slot\n    {}\n  end as seen_value\n  from inputs as i cross join (values {}) as \
                 s (slot)\n) as v\nwhere seen_value is not null\ngroup by slot, key, seen_value",
                seen.join("\n    "),
                rows(places.iter()),
            ),
        ),
        part(
            "registers",
            format!(
                "select s.slot, s.key, w.window_days, substr(s.seen_value, 1, 3) as register, count(*) as n,\n  \
                 max({}) as register_rank\nfrom seen as s join (values {}) as w (window_days) on s.nearest < \
                 w.window_days\ngroup by s.slot, s.key, w.window_days, substr(s.seen_value, 1, 3)",
                rank("s.seen_value"),
                rows(windows.iter().map(|window| window.days())),
            ),
        ),
        part(
            "sizes",
            format!(
                "select slot, key, window_days, cast(sum(n) as bigint) as n,\n  \
                 1E0 - count(*) / {SKETCH_REGISTERS}E0 as x,\n  \
                 1E0 - sum(case when register_rank = 53 then 1E0 else 0E0 end) / {SKETCH_REGISTERS}E0 as y,\n  \
                 sum(case when register_rank = 53 then 0E0 else power(2E0, -register_rank) end) as ranks\n\
                 from registers\ngroup by slot, key, window_days"
            ),
        ),
        part(
            "counts",
            format!(
                "select slot, key, window_days, case when n <= {SPARSE_MAX} then n else cast(round({}) as bigint) end \
                 as n\nfrom sizes",
                estimate()
            ),
        ),
        part("different", format!("select\n  key,\n  {}\nfrom counts\ngroup by key", columns.join(",\n  "))),
    ]
}

/// What a slot sees of a call, as text; null where it sees nothing.
fn seen_by(target: Target, place: usize, slot: &Slot) -> String {
    let text = |value: &str| format!("cast({value} as {})", target.text_type());
    let input = format!("i.slot_{place}");
    match (&slot.input, &slot.condition) {
        (Some(expr), _) if expr.type_of() == Type::Integer => target.hash(&text(&input)),
        (Some(_), _) => target.hash(&input),
        (None, Some(_)) => format!("case when {input} is not null then {} end", text(&format!("i.{DAYS_AGO}"))),
        (None, None) => text(&format!("i.{DAYS_AGO}")),
    }
}

fn rows(numbers: impl Iterator<Item = impl std::fmt::Display>) -> String {
    numbers.map(|number| format!("({number})")).collect::<Vec<_>>().join(", ")
}

/// The rank of a value: four for each leading zero of its last 13 digits, and the place of the first bit in the digit
/// that follows. In text, since no logarithm is exact near powers of two.
fn rank(value: &str) -> String {
    let rest = format!("regexp_replace(substr({value}, 4, 13), '^0+', '')");
    let first = format!("substr({rest}, 1, 1)");
    format!(
        "4 * (13 - length({rest})) + case when {first} >= '8' then 1 when {first} >= '4' then 2 when {first} >= '2' \
         then 3 when {first} = '1' then 4 else 1 end"
    )
}

/// Ertl's improved raw estimator over `x`, the share of untouched registers, `y`, the share of those that are not
/// saturated, and `ranks`, the sum of 2^-rank over the others.
fn estimate() -> String {
    let mut sigma = "x".to_owned();
    for k in 1..=TERMS {
        let _ = write!(sigma, " + power(x, {}E0) * {}E0", 1u64 << k, 1u64 << (k - 1));
    }
    let mut tau = "1E0 - y".to_owned();
    for k in 1..=TERMS {
        let half = 0.5f64.powi(k.cast_signed());
        let _ = write!(tau, " - power(1E0 - power(y, {half:e}), 2E0) * {half:e}");
    }
    let m = format!("{SKETCH_REGISTERS}E0");
    let last = 0.5f64.powi(52);
    format!(
        "{m} * {m} / ({:e} * (\n  {m} * ({sigma}) + ranks + {m} * {last:e} * case when y >= 1E0 or y <= 0E0 then 0E0 \
         else ({tau}) / 3E0 end\n))",
        2.0 * std::f64::consts::LN_2
    )
}
