//! Expressions of definitions as Polars expressions, with SQL's three-valued logic.

use features::{ArithmeticOp, CompareOp, Expr, Type};
use polars::prelude::{self as pl, DataType, IntoLazy as _, NamedFrom as _, PlSmallStr, Series, col, lit};

/// The Polars expression that yields, on a frame of [`crate::day_columns::DayColumns`], what the row evaluator
/// yields on the calls.
pub(crate) fn compile(expr: &Expr) -> pl::Expr {
    match expr {
        Expr::Field(field) => col(field.as_str()),
        Expr::Text(text) => lit(text.as_str()),
        Expr::Integer(number) => lit(*number),
        Expr::Boolean(value) => lit(*value),
        Expr::Compare { op, left, right } => {
            let is_boolean = left.type_of() == Type::Boolean;
            // Polars has an order for numbers and texts; false comes before true in both numbers and SQL.
            let side = |expr| if is_boolean { compile(expr).cast(DataType::Int32) } else { compile(expr) };
            compare(*op, side(left), side(right))
        }
        // Both are Kleene's on columns.
        Expr::And(left, right) => compile(left).and(compile(right)),
        Expr::Or(left, right) => compile(left).or(compile(right)),
        Expr::Not(value) => compile(value).not(),
        Expr::InTexts { value, texts } => {
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            is_in(compile(value), Series::new(PlSmallStr::EMPTY, texts))
        }
        Expr::InIntegers { value, integers } => {
            let integers: Vec<i64> = integers.iter().copied().collect();
            is_in(compile(value), Series::new(PlSmallStr::EMPTY, integers))
        }
        Expr::IsNull(value) => compile(value).is_null(),
        Expr::Arithmetic { op, left, right } => {
            let (left, right) = (compile(left).cast(DataType::Int128), compile(right).cast(DataType::Int128));
            let wide = match op {
                ArithmeticOp::Add => left + right,
                ArithmeticOp::Subtract => left - right,
                ArithmeticOp::Multiply => left * right,
            };
            // What does not fit becomes null, as in the row evaluator.
            wide.cast(DataType::Int64)
        }
    }
}

/// The expression over a frame, as a column of its own. A constant is repeated.
pub(crate) fn evaluate(expr: &Expr, frame: &pl::DataFrame, name: &str) -> pl::PolarsResult<pl::Column> {
    let frame = frame.clone().lazy().with_columns([compile(expr).alias(name)]).select([col(name)]).collect()?;
    Ok(frame.column(name)?.clone())
}

fn compare(op: CompareOp, left: pl::Expr, right: pl::Expr) -> pl::Expr {
    match op {
        CompareOp::Equal => left.eq(right),
        CompareOp::NotEqual => left.neq(right),
        CompareOp::Less => left.lt(right),
        CompareOp::LessOrEqual => left.lt_eq(right),
        CompareOp::Greater => left.gt(right),
        CompareOp::GreaterOrEqual => left.gt_eq(right),
    }
}

fn is_in(value: pl::Expr, among: Series) -> pl::Expr {
    value.is_in(lit(among).implode(true), false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use features::{Datum, FeatureSet, Field, Row};
    use polars::prelude::AnyValue;
    use proptest::prelude::*;

    use super::*;
    use crate::day_columns::{Arrival, DayColumns, Kept};
    use crate::testing::any_call;

    fn any_boolean(depth: u32) -> BoxedStrategy<Expr> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Expr::Boolean),
            Just(Expr::Field(Field::IsInternational)),
            (any_op(), any_text(), any_text()).prop_map(|(op, left, right)| compared(op, left, right)),
            (any_op(), any_integer(2), any_integer(2)).prop_map(|(op, left, right)| compared(op, left, right)),
            (any_text(), prop::collection::btree_set("[a-c+0-9]{0,3}|answered|US|GB", 1..4)).prop_map(
                |(value, texts)| Expr::InTexts {
                    value: Box::new(value),
                    texts: Arc::new(texts.into_iter().map(Into::into).collect()),
                }
            ),
            (any_integer(1), prop::collection::btree_set(0i64..24, 1..6)).prop_map(
                |(value, integers): (Expr, BTreeSet<i64>)| Expr::InIntegers {
                    value: Box::new(value),
                    integers: Arc::new(integers),
                }
            ),
            any_text().prop_map(|value| Expr::IsNull(Box::new(value))),
            any_integer(2).prop_map(|value| Expr::IsNull(Box::new(value))),
        ];
        leaf.prop_recursive(depth, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(Box::new(a), Box::new(b))),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::Or(Box::new(a), Box::new(b))),
                inner.clone().prop_map(|a| Expr::Not(Box::new(a))),
                inner.clone().prop_map(|a| Expr::IsNull(Box::new(a))),
                (any_op(), inner.clone(), inner).prop_map(|(op, a, b)| compared(op, a, b)),
            ]
        })
        .boxed()
    }

    fn compared(op: CompareOp, left: Expr, right: Expr) -> Expr {
        Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    fn any_op() -> impl Strategy<Value = CompareOp> {
        use CompareOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
    }

    fn any_field(of: Type) -> impl Strategy<Value = Expr> {
        let fields: Vec<_> = Field::ALL.into_iter().filter(|field| field.type_of() == of).collect();
        prop::sample::select(fields).prop_map(Expr::Field)
    }

    fn any_text() -> impl Strategy<Value = Expr> {
        prop_oneof![
            3 => any_field(Type::Text),
            1 => "[a-c+0-9é]{0,3}|answered|USD".prop_map(|text| Expr::Text(text.into())),
        ]
    }

    fn any_integer(depth: u32) -> BoxedStrategy<Expr> {
        let leaf = prop_oneof![
            3 => any_field(Type::Integer),
            1 => (0i64..30).prop_map(Expr::Integer),
            1 => prop::sample::select(vec![i64::MAX, i64::MIN, i64::MAX / 2, 3_000_000_000]).prop_map(Expr::Integer),
        ];
        leaf.prop_recursive(depth, 6, 2, |inner| {
            use ArithmeticOp::{Add, Multiply, Subtract};
            (prop::sample::select(vec![Add, Subtract, Multiply]), inner.clone(), inner)
                .prop_map(|(op, a, b)| Expr::Arithmetic { op, left: Box::new(a), right: Box::new(b) })
        })
        .boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn polars_agrees_with_the_row_evaluator(
            expr in prop_oneof![4 => any_boolean(3), 1 => any_integer(3), 1 => any_text().boxed()],
            calls in prop::collection::vec(any_call(), 1..6),
        ) {
            let set = FeatureSet::default_set().unwrap();
            let mut columns = DayColumns::new(&Kept { fields: Field::ALL.to_vec(), parties: Vec::new() });
            for call in &calls {
                columns.push(&Row::new(call, set.settings()), &Arrival::default());
            }
            let frame = columns.into_frame().unwrap();
            let column = evaluate(&expr, &frame, "value").unwrap();
            for (at, call) in calls.iter().enumerate() {
                let expected = match expr.evaluate(&Row::new(call, set.settings())) {
                    Datum::Null => AnyValue::Null,
                    Datum::Text(text) => AnyValue::String(text),
                    Datum::Integer(number) => AnyValue::Int64(number),
                    Datum::Boolean(value) => AnyValue::Boolean(value),
                };
                prop_assert_eq!(column.get(at).unwrap(), expected, "{} of {:?}", expr, call);
            }
        }
    }
}
