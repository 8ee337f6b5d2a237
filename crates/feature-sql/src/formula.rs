//! Values from the columns of `counted` and `different`, as `features::Formula::answer` makes them from states.

use features::{BatchWindow, Feature, Formula, Slot, SlotKind};

use crate::distinct::is_counted_here;
use crate::table::column;

/// Products up to here are made in integers: a decimal has 38 digits.
const EXACT_MAX: &str = "9E37";

/// The value of a feature over a window, of the type that its column in the wide face has.
pub(crate) fn value(feature: &Feature, window: BatchWindow, slots: &[Slot]) -> String {
    let at = |slot: usize| content(slot, &slots[slot], window);
    match feature.formula {
        Formula::Slot(slot) => match slots[slot].kind {
            // A sum beyond 64 bits has no place in the column: null, as in the batch job.
            SlotKind::Sum => format!("try_cast({} as bigint)", at(slot)),
            SlotKind::SumSquares => format!("cast({} as double)", at(slot)),
            _ => at(slot),
        },
        Formula::Rate { count } => quotient(&at(count), &window.days().to_string(), feature.decimals),
        Formula::Mean { count, sum } => quotient(&at(sum), &at(count), feature.decimals),
        Formula::Ratio { of, per } => quotient(&at(of), &at(per), feature.decimals),
        Formula::Stddev { count, sum, sum_squares } => {
            let value = deviation(&at(count), &at(sum), &at(sum_squares));
            match feature.decimals {
                Some(decimals) => format!("round({value} * 1E{decimals}) / 1E{decimals}"),
                None => value,
            }
        }
    }
}

fn content(place: usize, slot: &Slot, window: BatchWindow) -> String {
    let name = column(place, window);
    match slot.kind {
        kind if is_counted_here(kind) => format!("coalesce(d.{name}, 0)"),
        // No call, no sum.
        SlotKind::Sum | SlotKind::SumSquares => format!("coalesce(c.{name}, cast(0 as decimal(38, 0)))"),
        SlotKind::Min | SlotKind::Max | SlotKind::Count | SlotKind::Distinct | SlotKind::Days => format!("c.{name}"),
    }
}

/// Null where the divisor is 0. Rounded as a fraction, half away from zero: with `n = 2 * above * scale + below` the
/// rounded numerator is the whole part of `n / (2 * below)`, and what is left of `n` over a multiple divides exactly.
fn quotient(above: &str, below: &str, decimals: Option<u32>) -> String {
    let plain = format!("cast({above} as double) / nullif(cast({below} as double), 0E0)");
    let Some(decimals) = decimals else {
        // Adding 0 turns -0 into 0.
        return format!("({plain} + 0E0)");
    };
    let double = |value: &str| format!("abs(cast({value} as double))");
    let wide = |value: &str| format!("abs(cast({value} as decimal(38, 0)))");
    let twice = 2 * 10u64.pow(decimals);
    let n = format!("({} * {twice} + {})", wide(above), wide(below));
    let divisor = format!("({} * 2)", wide(below));
    format!(
        "case when {below} = 0 then null\n    when {} * {twice}E0 + {} < {EXACT_MAX}\n    then cast({n} - mod({n}, \
         {divisor}) as double) / cast({divisor} as double) / 1E{decimals} * (case when ({above} < 0) <> ({below} < 0) \
         then -1E0 else 1E0 end) + 0E0\n    else {plain} + 0E0 end",
        double(above),
        double(below),
    )
}

/// `sqrt(n * sum(x^2) - sum(x)^2) / n`, the difference in integers where they hold it.
fn deviation(count: &str, sum: &str, squares: &str) -> String {
    let double = |value: &str| format!("cast({value} as double)");
    let (n, s, q) = (double(count), double(sum), double(squares));
    format!(
        "case when {count} = 0 then null else sqrt(case when {n} * {q} < {EXACT_MAX} and {s} * {s} < {EXACT_MAX}\n    \
         then cast(cast({count} as decimal(38, 0)) * {squares} - {sum} * {sum} as double)\n    else greatest({n} * {q} \
         - {s} * {s}, 0E0) end) / {n} end"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_quotient_is_a_fraction_until_the_end() {
        assert_eq!(
            quotient("a", "7", Some(2)),
            "case when 7 = 0 then null\n    when abs(cast(a as double)) * 200E0 + abs(cast(7 as double)) < 9E37\n    then \
             cast((abs(cast(a as decimal(38, 0))) * 200 + abs(cast(7 as decimal(38, 0)))) - mod((abs(cast(a as \
             decimal(38, 0))) * 200 + abs(cast(7 as decimal(38, 0)))), (abs(cast(7 as decimal(38, 0))) * 2)) as double) / \
             cast((abs(cast(7 as decimal(38, 0))) * 2) as double) / 1E2 * (case when (a < 0) <> (7 < 0) then -1E0 else \
             1E0 end) + 0E0\n    else cast(a as double) / nullif(cast(7 as double), 0E0) + 0E0 end"
        );
        assert_eq!(quotient("a", "b", None), "(cast(a as double) / nullif(cast(b as double), 0E0) + 0E0)");
    }
}
