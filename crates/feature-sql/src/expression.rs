//! Expressions of definitions as SQL. Comparisons, `and`, `or`, `not`, `in` and `is null` are SQL's own, with its
//! three-valued logic; only literals and arithmetic need care.

use features::Expr;

use crate::target::Target;

/// The text that yields, on a row of `calls`, what the row evaluator yields on the call.
pub(crate) fn expression(target: Target, expr: &Expr) -> String {
    let of = |expr: &Expr| expression(target, expr);
    match expr {
        Expr::Field(field) => field.as_str().to_owned(),
        Expr::Text(text) => target.text(text),
        Expr::Integer(number) => integer(*number),
        Expr::Boolean(value) => value.to_string(),
        Expr::Compare { op, left, right } => format!("({} {} {})", of(left), op.as_str(), of(right)),
        Expr::And(left, right) => format!("({} and {})", of(left), of(right)),
        Expr::Or(left, right) => format!("({} or {})", of(left), of(right)),
        Expr::Not(value) => format!("(not {})", of(value)),
        Expr::IsNull(value) => format!("({} is null)", of(value)),
        Expr::InTexts { value, texts } => among(&of(value), texts.iter().map(|text| target.text(text))),
        Expr::InIntegers { value, integers } => among(&of(value), integers.iter().copied().map(integer)),
        Expr::Arithmetic { op, left, right } => {
            // 19 digits hold 64 bits and their product has at most 38. What does not fit into 64 bits again is null.
            let side = |expr| format!("cast({} as decimal(19, 0))", of(expr));
            format!("try_cast({} {} {} as bigint)", side(left), op.as_str(), side(right))
        }
    }
}

fn among(value: &str, literals: impl Iterator<Item = String>) -> String {
    let literals: Vec<String> = literals.collect();
    if literals.is_empty() {
        // An empty list is no SQL: false, or null of null.
        return format!("({value} <> {value})");
    }
    format!("({value} in ({}))", literals.join(", "))
}

fn integer(number: i64) -> String {
    // The digits of the least integer are too large without their sign.
    if number < 0 { format!("cast('{number}' as bigint)") } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use features::{FeatureSet, Party};

    use super::*;

    /// The condition of the only slot of a feature with this `where`.
    fn compiled(target: Target, condition: &str) -> String {
        let file = format!(
            "[settings]\ndefault_region='US'\nrange_digits=4\nzone='UTC'\n[settings.stream_levels]\n\
             [[feature]]\nname='f'\nof='count'\nwhere=\"\"\"{condition}\"\"\"\nparty=['caller']\nlevel=['phone']\nbatch=['1d']\n"
        );
        let set = FeatureSet::parse(&file, |_| Err("none".to_owned())).unwrap();
        expression(target, set.slots(Party::Caller)[0].condition.as_ref().unwrap())
    }

    #[test]
    fn logic_is_sqls_own() {
        for target in Target::ALL {
            assert_eq!(
                compiled(target, "not (outcome = 'busy' or talk_ms < 6000) and channel is null"),
                "((not ((outcome = 'busy') or (talk_ms < 6000))) and (channel is null))"
            );
            assert_eq!(compiled(target, "weekday_local in (7, 6)"), "(weekday_local in (6, 7))");
        }
    }

    #[test]
    fn arithmetic_is_wide_and_null_beyond_64_bits() {
        assert_eq!(
            compiled(Target::Spark, "talk_ms * 3 - ring_ms > 1"),
            "(try_cast(cast(try_cast(cast(talk_ms as decimal(19, 0)) * cast(3 as decimal(19, 0)) as bigint) as decimal(19, 0)) - cast(ring_ms as decimal(19, 0)) as bigint) > 1)"
        );
        assert_eq!(integer(i64::MIN), "cast('-9223372036854775808' as bigint)");
    }

    #[test]
    fn texts_are_quoted_as_each_dialect_reads_them() {
        let condition = r"trunk in ('it''s', 'a\\b', '${x}')";
        assert_eq!(compiled(Target::Athena, condition), r"(trunk in ('${x}', 'a\b', 'it''s'))");
        assert_eq!(compiled(Target::Spark, condition), r"(trunk in ('\u0024{x}', 'a\u005cb', 'it\u0027s'))");
    }
}
