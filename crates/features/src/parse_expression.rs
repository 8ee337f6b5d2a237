//! From SQL text to a typed expression, or to a message that says where and what was expected.

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::SmolStr;
use sqlparser::ast::{BinaryOperator, Expr as Sql, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned as _};
use sqlparser::ast::{UnaryOperator, Value as SqlValue};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{ArithmeticOp, CompareOp, Expr, Field, Lists, Type};

/// Longest expression: definitions are written by people.
const EXPRESSION_BYTES_MAX: usize = 2_000;
/// Deepest nesting, so that evaluating never exhausts the stack.
const EXPRESSION_DEPTH_MAX: usize = 40;

/// What is wrong with an expression, and at which column (1-based, in characters) of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// Parses `text` and checks that it yields `expected`, where one type is expected.
pub(crate) fn parse_expression(text: &str, expected: Option<Type>, lists: &Lists) -> Result<Expr, ExpressionError> {
    let error = |column, message| ExpressionError { column, message };
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(error(
            1,
            format!("an expression may have {EXPRESSION_BYTES_MAX} bytes, this has {}", text.len()),
        ));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .tokenize_with_location()
        .map_err(|wrong| error(wrong.location.column as usize, wrong.message))?;
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(EXPRESSION_DEPTH_MAX)
        .with_tokens_with_locations(wrap_list_calls(tokens));
    let sql = parser.parse_expr().map_err(|wrong| {
        let column = parser.peek_token().span.start.column.max(1) as usize;
        error(column, wrong.to_string().trim_start_matches("sql parser error: ").to_owned())
    })?;
    let rest = parser.next_token();
    if rest.token != Token::EOF {
        return Err(error(rest.span.start.column as usize, format!("expected the end, found {}", rest.token)));
    }
    let expr = Typing { lists }.expression(&sql)?;
    match expected {
        Some(expected) if expr.type_of() != expected => {
            Err(error(1, format!("expected {}, this is {}", article(expected), article(expr.type_of()))))
        }
        _ => Ok(expr),
    }
}

/// `x in list('n')` becomes `x in (list('n'))`, which SQL can parse.
fn wrap_list_calls(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let tokens: Vec<_> = tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let is_word = |at: usize, word: &str| matches!(tokens.get(at).map(|t| &t.token), Some(Token::Word(w)) if w.value.eq_ignore_ascii_case(word));
    let mut wrapped = Vec::with_capacity(tokens.len() + 2);
    let mut closes_at = None;
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && is_word(at - 1, "in") && is_word(at, "list") {
            wrapped.push(TokenWithSpan::new(Token::LParen, token.span));
            closes_at = Some(at + 3);
        }
        wrapped.push(token.clone());
        if closes_at == Some(at) {
            wrapped.push(TokenWithSpan::new(Token::RParen, token.span));
            closes_at = None;
        }
    }
    wrapped
}

struct Typing<'a> {
    lists: &'a Lists,
}

impl Typing<'_> {
    fn expression(&self, sql: &Sql) -> Result<Expr, ExpressionError> {
        match sql {
            Sql::Nested(inner) => self.expression(inner),
            Sql::Identifier(name) => Field::parse(&name.value.to_ascii_lowercase()).map(Expr::Field).ok_or_else(|| {
                let names = Field::ALL.map(Field::as_str);
                at(sql, format!("there is no field {}{}", name.value, nearest(&name.value, &names)))
            }),
            Sql::Value(value) => literal(&value.value).ok_or_else(|| {
                at(sql, "expected a text in single quotes, a whole number, true or false".to_owned())
            }),
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Expr::Not(self.boxed(expr, Type::Boolean)?)),
            Sql::UnaryOp { op: UnaryOperator::Minus, expr } => match self.typed(expr, Type::Integer)? {
                Expr::Integer(number) => Ok(Expr::Integer(-number)),
                other => Ok(arithmetic(ArithmeticOp::Subtract, Expr::Integer(0), other)),
            },
            Sql::BinaryOp { left, op, right } => self.binary(sql, left, op, right),
            Sql::Between { expr, negated, low, high } => {
                let value = self.expression(expr)?;
                let low = compare(CompareOp::GreaterOrEqual, value.clone(), self.typed(low, value.type_of())?);
                let high = compare(CompareOp::LessOrEqual, value.clone(), self.typed(high, value.type_of())?);
                Ok(negate_if(*negated, Expr::And(Box::new(low), Box::new(high))))
            }
            Sql::InList { expr, list, negated } => {
                let value = self.expression(expr)?;
                Ok(negate_if(*negated, self.in_list(sql, value, list)?))
            }
            Sql::IsNull(value) => Ok(Expr::IsNull(Box::new(self.expression(value)?))),
            Sql::IsNotNull(value) => Ok(Expr::Not(Box::new(Expr::IsNull(Box::new(self.expression(value)?))))),
            _ => Err(at(
                sql,
                "expected =, <>, <, <=, >, >=, and, or, not, in, between, is null, +, - or * over fields and literals"
                    .to_owned(),
            )),
        }
    }

    fn binary(&self, sql: &Sql, left: &Sql, op: &BinaryOperator, right: &Sql) -> Result<Expr, ExpressionError> {
        let comparison = |op| -> Result<Expr, ExpressionError> {
            let left = self.expression(left)?;
            let right_typed = self.typed(right, left.type_of())?;
            known_text(right, &left, &right_typed)?;
            known_text(sql, &right_typed, &left)?;
            Ok(compare(op, left, right_typed))
        };
        let sum = |op| -> Result<Expr, ExpressionError> {
            Ok(arithmetic(op, self.typed(left, Type::Integer)?, self.typed(right, Type::Integer)?))
        };
        match op {
            BinaryOperator::And => Ok(Expr::And(self.boxed(left, Type::Boolean)?, self.boxed(right, Type::Boolean)?)),
            BinaryOperator::Or => Ok(Expr::Or(self.boxed(left, Type::Boolean)?, self.boxed(right, Type::Boolean)?)),
            BinaryOperator::Eq => comparison(CompareOp::Equal),
            BinaryOperator::NotEq => comparison(CompareOp::NotEqual),
            BinaryOperator::Lt => comparison(CompareOp::Less),
            BinaryOperator::LtEq => comparison(CompareOp::LessOrEqual),
            BinaryOperator::Gt => comparison(CompareOp::Greater),
            BinaryOperator::GtEq => comparison(CompareOp::GreaterOrEqual),
            BinaryOperator::Plus => sum(ArithmeticOp::Add),
            BinaryOperator::Minus => sum(ArithmeticOp::Subtract),
            BinaryOperator::Multiply => sum(ArithmeticOp::Multiply),
            other => Err(at(sql, format!("there is no operator {other} here; use = <> < <= > >= and or + - *"))),
        }
    }

    fn in_list(&self, sql: &Sql, value: Expr, list: &[Sql]) -> Result<Expr, ExpressionError> {
        if let [Sql::Function(call)] = list
            && call.name.to_string().eq_ignore_ascii_case("list")
        {
            if value.type_of() != Type::Text {
                return Err(at(sql, format!("a list holds texts, the left side is {}", article(value.type_of()))));
            }
            let name = list_name(&call.args)
                .ok_or_else(|| at(sql, "expected list('NAME') with the name of a list of [lists]".to_owned()))?;
            let texts = self.lists.get(&name).cloned().ok_or_else(|| {
                let names: Vec<_> = self.lists.keys().map(String::as_str).collect();
                at(sql, format!("there is no list '{name}' in [lists]{}", nearest(&name, &names)))
            })?;
            return Ok(Expr::InTexts { value: Box::new(value), texts });
        }
        let mut texts = BTreeSet::new();
        let mut integers = BTreeSet::new();
        for element in list {
            let typed = self.typed(element, value.type_of())?;
            known_text(element, &value, &typed)?;
            match typed {
                Expr::Text(text) => drop(texts.insert(text)),
                Expr::Integer(number) => drop(integers.insert(number)),
                _ => return Err(at(element, "expected a text or a whole number in the list".to_owned())),
            }
        }
        let value = Box::new(value);
        Ok(match integers.is_empty() {
            true => Expr::InTexts { value, texts: Arc::new(texts) },
            false => Expr::InIntegers { value, integers: Arc::new(integers) },
        })
    }

    fn typed(&self, sql: &Sql, expected: Type) -> Result<Expr, ExpressionError> {
        let expr = self.expression(sql)?;
        match expr.type_of() {
            found if found == expected => Ok(expr),
            found => Err(at(sql, format!("expected {}, found {}", article(expected), article(found)))),
        }
    }

    fn boxed(&self, sql: &Sql, expected: Type) -> Result<Box<Expr>, ExpressionError> {
        self.typed(sql, expected).map(Box::new)
    }
}

/// Refuses a text that the field it is compared with never has: a misspelt outcome would be 0 for ever.
fn known_text(sql: &Sql, field: &Expr, compared: &Expr) -> Result<(), ExpressionError> {
    let (Expr::Field(field), Expr::Text(text)) = (field, compared) else { return Ok(()) };
    let known = field.vocabulary();
    if known.is_empty() || known.contains(&text.as_str()) {
        return Ok(());
    }
    Err(at(sql, format!("{} is never '{text}'{}", field.as_str(), nearest(text, &known))))
}

/// ", did you mean X?" where a known name is near, else a list of the first few.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    let name = name.to_ascii_lowercase();
    let best = known.iter().min_by_key(|candidate| strsim::levenshtein(&name, candidate));
    match best {
        Some(best) if strsim::levenshtein(&name, best) <= 3 => format!(", did you mean {best}?"),
        _ => format!("; there are {}", known.join(", ")),
    }
}

fn literal(value: &SqlValue) -> Option<Expr> {
    match value {
        SqlValue::SingleQuotedString(text) => Some(Expr::Text(SmolStr::new(text))),
        SqlValue::Number(digits, _) => digits.parse().ok().map(Expr::Integer),
        SqlValue::Boolean(value) => Some(Expr::Boolean(*value)),
        _ => None,
    }
}

fn list_name(arguments: &FunctionArguments) -> Option<String> {
    let FunctionArguments::List(arguments) = arguments else { return None };
    match arguments.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Sql::Value(value)))] => match &value.value {
            SqlValue::SingleQuotedString(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right) }
}

fn negate_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn at(sql: &Sql, message: String) -> ExpressionError {
    ExpressionError { column: (sql.span().start.column as usize).max(1), message }
}

const fn article(found: Type) -> &'static str {
    match found {
        Type::Text => "a text",
        Type::Integer => "an integer",
        Type::Boolean => "a condition",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lists() -> Lists {
        Lists::from([("irsf".to_owned(), Arc::new(BTreeSet::from([SmolStr::new("CU"), SmolStr::new("SO")])))])
    }

    fn shown(text: &str) -> String {
        parse_expression(text, None, &lists())
            .map_or_else(|e| format!("{}: {}", e.column, e.message), |e| e.to_string())
    }

    #[test]
    fn canonical_text() {
        assert_eq!(shown("outcome = 'answered' and talk_ms<6000"), "((outcome = 'answered') and (talk_ms < 6000))");
        assert_eq!(shown("callee_country in list('irsf')"), "(callee_country in ('CU', 'SO'))");
        assert_eq!(shown("not weekday_local in (7, 6)"), "(not (weekday_local in (6, 7)))");
        assert_eq!(shown("ring_ms between -1 and 5000"), "((ring_ms >= -1) and (ring_ms <= 5000))");
        assert_eq!(shown("imei is not null or is_international"), "((not (imei is null)) or is_international)");
        assert_eq!(shown("talk_ms + ring_ms * 2"), "(talk_ms + (ring_ms * 2))");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(shown("outcome = 'busy' and talk_m < 6"), "22: there is no field talk_m, did you mean talk_ms?");
        assert_eq!(shown("outcome = 3"), "11: expected a text, found an integer");
        assert_eq!(shown("outcome = 'answerd'"), "11: outcome is never 'answerd', did you mean answered?");
        assert_eq!(shown("channel in ('voice', 'sns')"), "22: channel is never 'sns', did you mean sms?");
        assert_eq!(shown("'fax' = callee_kind"), "1: callee_kind is never 'fax', did you mean ext?");
        assert_eq!(shown("talk_ms / 2 = 1"), "1: there is no operator / here; use = <> < <= > >= and or + - *");
        assert_eq!(
            shown("callee_country in list('irfs')"),
            "1: there is no list 'irfs' in [lists], did you mean irsf?"
        );
        assert!(shown("outcome = 'busy' talk_ms").starts_with("18: expected the end"));
        assert!(shown("outcome =").contains("xpected"));
        assert!(shown("outcome = 'busy").contains("nterminated"));
        assert!(shown(&"(".repeat(200)).contains(':'));
        assert!(shown(&"x".repeat(3000)).contains("2000 bytes"));
    }

    #[test]
    fn a_condition_is_wanted_where_one_is() {
        let wrong = parse_expression("talk_ms", Some(Type::Boolean), &lists()).unwrap_err();
        assert_eq!(wrong.message, "expected a condition, this is an integer");
    }
}
