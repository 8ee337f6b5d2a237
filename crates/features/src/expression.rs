//! Typed expressions over a call record. Built by `parse_expression`, read by the row evaluator here and by
//! the engines that compile them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cdr::CallRecord;
use smol_str::SmolStr;

use crate::{Party, Settings};

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// A 64-bit integer.
    Integer,
    /// True, false or null.
    Boolean,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "condition",
        })
    }
}

/// The fields that expressions may name: those of the record and those derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// `call_id`.
    CallId,
    /// `caller`, `callee`: the canonical number.
    Number(Party),
    /// `caller_country`, `callee_country`: ISO 3166-1 alpha-2.
    Country(Party),
    /// `caller_prefix`, `callee_prefix`.
    Prefix(Party),
    /// `caller_range`, `callee_range`.
    Range(Party),
    /// `caller_kind`, `callee_kind`: `e164`, `ext`, `short`, `alpha`, `anonymous`.
    Kind(Party),
    /// `outcome`.
    Outcome,
    /// `channel`.
    Channel,
    /// `trunk`.
    Trunk,
    /// `cell_id`.
    CellId,
    /// `imei`.
    Imei,
    /// `cost_micros`.
    CostMicros,
    /// `currency`.
    Currency,
    /// `caller_ip`.
    CallerIp,
    /// `talk_ms`.
    TalkMs,
    /// `ring_ms`.
    RingMs,
    /// `is_international`.
    IsInternational,
    /// `hour_local`, 0 to 23 in the zone of the settings.
    HourLocal,
    /// `weekday_local`, 1 Monday to 7 Sunday in the zone of the settings.
    WeekdayLocal,
}

impl Field {
    /// Every field, as documentation lists them.
    pub const ALL: [Self; 24] = [
        Self::CallId,
        Self::Number(Party::Caller),
        Self::Number(Party::Callee),
        Self::Outcome,
        Self::Channel,
        Self::Trunk,
        Self::CellId,
        Self::Imei,
        Self::CostMicros,
        Self::Currency,
        Self::CallerIp,
        Self::TalkMs,
        Self::RingMs,
        Self::Country(Party::Caller),
        Self::Prefix(Party::Caller),
        Self::Range(Party::Caller),
        Self::Kind(Party::Caller),
        Self::Country(Party::Callee),
        Self::Prefix(Party::Callee),
        Self::Range(Party::Callee),
        Self::Kind(Party::Callee),
        Self::IsInternational,
        Self::HourLocal,
        Self::WeekdayLocal,
    ];

    /// The name in expressions, archives and SQL.
    pub const fn as_str(self) -> &'static str {
        use Party::{Callee, Caller};
        match self {
            Self::CallId => "call_id",
            Self::Number(Caller) => "caller",
            Self::Number(Callee) => "callee",
            Self::Country(Caller) => "caller_country",
            Self::Country(Callee) => "callee_country",
            Self::Prefix(Caller) => "caller_prefix",
            Self::Prefix(Callee) => "callee_prefix",
            Self::Range(Caller) => "caller_range",
            Self::Range(Callee) => "callee_range",
            Self::Kind(Caller) => "caller_kind",
            Self::Kind(Callee) => "callee_kind",
            Self::Outcome => "outcome",
            Self::Channel => "channel",
            Self::Trunk => "trunk",
            Self::CellId => "cell_id",
            Self::Imei => "imei",
            Self::CostMicros => "cost_micros",
            Self::Currency => "currency",
            Self::CallerIp => "caller_ip",
            Self::TalkMs => "talk_ms",
            Self::RingMs => "ring_ms",
            Self::IsInternational => "is_international",
            Self::HourLocal => "hour_local",
            Self::WeekdayLocal => "weekday_local",
        }
    }

    /// The only texts that the field ever has; empty where there is no such bound.
    pub fn vocabulary(self) -> Vec<&'static str> {
        match self {
            Self::Outcome => cdr::Outcome::ALL.map(cdr::Outcome::as_str).to_vec(),
            Self::Channel => cdr::Channel::ALL.map(cdr::Channel::as_str).to_vec(),
            Self::Kind(_) => cdr::NumberKind::ALL.map(cdr::NumberKind::as_str).to_vec(),
            _ => Vec::new(),
        }
    }

    /// The field with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// What it holds.
    pub const fn type_of(self) -> Type {
        match self {
            Self::CostMicros | Self::TalkMs | Self::RingMs | Self::HourLocal | Self::WeekdayLocal => Type::Integer,
            Self::IsInternational => Type::Boolean,
            _ => Type::Text,
        }
    }

    /// Whether a valid record may lack it.
    pub const fn is_nullable(self) -> bool {
        !matches!(
            self,
            Self::CallId
                | Self::Number(_)
                | Self::Kind(_)
                | Self::Outcome
                | Self::TalkMs
                | Self::RingMs
                | Self::HourLocal
                | Self::WeekdayLocal
        )
    }
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`.
    Equal,
    /// `<>`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

impl CompareOp {
    /// The SQL sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Integer arithmetic. A result beyond 64 bits is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticOp {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
}

impl ArithmeticOp {
    /// The SQL sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
        }
    }
}

/// A type-checked expression. `Display` writes it as SQL, which is also its canonical text.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A field of the call.
    Field(Field),
    /// A text literal.
    Text(SmolStr),
    /// An integer literal.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// Two sides of one type, compared; null where either is.
    Compare {
        /// How.
        op: CompareOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// Both hold (three-valued).
    And(Box<Expr>, Box<Expr>),
    /// Either holds (three-valued).
    Or(Box<Expr>, Box<Expr>),
    /// It does not hold; null stays null.
    Not(Box<Expr>),
    /// A text among texts.
    InTexts {
        /// What is looked up.
        value: Box<Expr>,
        /// Among which.
        texts: Arc<BTreeSet<SmolStr>>,
    },
    /// An integer among integers.
    InIntegers {
        /// What is looked up.
        value: Box<Expr>,
        /// Among which.
        integers: Arc<BTreeSet<i64>>,
    },
    /// Whether a value is absent; never null itself.
    IsNull(Box<Expr>),
    /// Integer arithmetic.
    Arithmetic {
        /// Which.
        op: ArithmeticOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
}

impl Expr {
    /// What it yields.
    pub const fn type_of(&self) -> Type {
        match self {
            Self::Field(field) => field.type_of(),
            Self::Text(_) => Type::Text,
            Self::Integer(_) | Self::Arithmetic { .. } => Type::Integer,
            _ => Type::Boolean,
        }
    }

    /// Whether it may yield null on a valid record.
    pub fn is_nullable(&self) -> bool {
        match self {
            Self::Field(field) => field.is_nullable(),
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::IsNull(_) => false,
            Self::Compare { left, right, .. } | Self::And(left, right) | Self::Or(left, right) => {
                left.is_nullable() || right.is_nullable()
            }
            // Overflow.
            Self::Arithmetic { .. } => true,
            Self::Not(value) | Self::InTexts { value, .. } | Self::InIntegers { value, .. } => value.is_nullable(),
        }
    }

    /// Whether it names the field.
    pub fn mentions(&self, field: Field) -> bool {
        match self {
            Self::Field(own) => *own == field,
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) => false,
            Self::Compare { left, right, .. }
            | Self::And(left, right)
            | Self::Or(left, right)
            | Self::Arithmetic { left, right, .. } => left.mentions(field) || right.mentions(field),
            Self::Not(value) | Self::IsNull(value) | Self::InTexts { value, .. } | Self::InIntegers { value, .. } => {
                value.mentions(field)
            }
        }
    }

    /// Whether the condition is true of the call; null is not true.
    pub fn holds(&self, row: &Row<'_>) -> bool {
        self.truth(row) == Some(true)
    }

    /// The value for the call.
    pub fn evaluate<'a>(&'a self, row: &Row<'a>) -> Datum<'a> {
        match self {
            Self::Field(field) => row.field(*field),
            Self::Text(text) => Datum::Text(text),
            Self::Integer(number) => Datum::Integer(*number),
            Self::Arithmetic { op, left, right } => match (left.evaluate(row), right.evaluate(row)) {
                (Datum::Integer(left), Datum::Integer(right)) => match op {
                    ArithmeticOp::Add => left.checked_add(right),
                    ArithmeticOp::Subtract => left.checked_sub(right),
                    ArithmeticOp::Multiply => left.checked_mul(right),
                }
                .map_or(Datum::Null, Datum::Integer),
                _ => Datum::Null,
            },
            condition => condition.truth(row).map_or(Datum::Null, Datum::Boolean),
        }
    }

    /// SQL's three-valued logic; `None` is null.
    fn truth(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::And(left, right) => match left.truth(row) {
                Some(false) => Some(false),
                Some(true) => right.truth(row),
                None => right.truth(row).filter(|right| !right),
            },
            Self::Or(left, right) => match left.truth(row) {
                Some(true) => Some(true),
                Some(false) => right.truth(row),
                None => right.truth(row).filter(|right| *right),
            },
            Self::Not(value) => value.truth(row).map(|value| !value),
            Self::IsNull(value) => Some(value.evaluate(row) == Datum::Null),
            Self::Compare { op, left, right } => match (left.evaluate(row), right.evaluate(row)) {
                (Datum::Text(left), Datum::Text(right)) => Some(op.holds(&left, &right)),
                (Datum::Integer(left), Datum::Integer(right)) => Some(op.holds(&left, &right)),
                (Datum::Boolean(left), Datum::Boolean(right)) => Some(op.holds(&left, &right)),
                _ => None,
            },
            Self::InTexts { value, texts } => match value.evaluate(row) {
                Datum::Text(text) => Some(texts.contains(text)),
                _ => None,
            },
            Self::InIntegers { value, integers } => match value.evaluate(row) {
                Datum::Integer(number) => Some(integers.contains(&number)),
                _ => None,
            },
            Self::Field(_) | Self::Text(_) | Self::Integer(_) | Self::Arithmetic { .. } => match self.evaluate(row) {
                Datum::Boolean(value) => Some(value),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.as_str()),
            Self::Text(text) => quoted(f, text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Compare { op, left, right } => write!(f, "({left} {} {right})", op.as_str()),
            Self::And(left, right) => write!(f, "({left} and {right})"),
            Self::Or(left, right) => write!(f, "({left} or {right})"),
            Self::Not(value) => write!(f, "(not {value})"),
            Self::IsNull(value) => write!(f, "({value} is null)"),
            Self::Arithmetic { op, left, right } => write!(f, "({left} {} {right})", op.as_str()),
            Self::InTexts { value, texts } => {
                write!(f, "({value} in (")?;
                for (n, text) in texts.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { ", " })?;
                    quoted(f, text)?;
                }
                f.write_str("))")
            }
            Self::InIntegers { value, integers } => {
                write!(f, "({value} in (")?;
                for (n, number) in integers.iter().enumerate() {
                    write!(f, "{}{number}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("))")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\'', "''"))
}

/// The value of an expression for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datum<'a> {
    /// Absent.
    Null,
    /// Text.
    Text(&'a str),
    /// Integer.
    Integer(i64),
    /// Boolean.
    Boolean(bool),
}

/// A call with the settings that its derived fields depend on.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    call: &'a CallRecord,
    settings: &'a Settings,
}

impl<'a> Row<'a> {
    /// A call, seen with these settings.
    pub const fn new(call: &'a CallRecord, settings: &'a Settings) -> Self {
        Self { call, settings }
    }

    /// The call.
    pub const fn call(&self) -> &'a CallRecord {
        self.call
    }

    /// The value of a field.
    pub fn field(&self, field: Field) -> Datum<'a> {
        let call = self.call;
        let text = |text: Option<&'a str>| text.map_or(Datum::Null, Datum::Text);
        match field {
            Field::CallId => Datum::Text(&call.call_id),
            Field::Number(party) => Datum::Text(party.number(call).as_str()),
            Field::Country(party) => text(party.number(call).country()),
            Field::Prefix(party) => text(party.number(call).prefix()),
            Field::Range(party) => text(party.number(call).range(self.settings.range_digits)),
            Field::Kind(party) => Datum::Text(party.number(call).kind().as_str()),
            Field::Outcome => Datum::Text(call.outcome.as_str()),
            Field::Channel => text(call.channel.map(cdr::Channel::as_str)),
            Field::Trunk => text(call.trunk.as_deref()),
            Field::CellId => text(call.cell_id.as_deref()),
            Field::Imei => text(call.imei.as_deref()),
            Field::CostMicros => call.cost_micros.map_or(Datum::Null, Datum::Integer),
            Field::Currency => text(call.currency.as_deref()),
            Field::CallerIp => text(call.caller_ip.as_deref()),
            Field::TalkMs => Datum::Integer(call.talk_ms()),
            Field::RingMs => Datum::Integer(call.ring_ms()),
            Field::IsInternational => call.is_international().map_or(Datum::Null, Datum::Boolean),
            Field::HourLocal => Datum::Integer(self.settings.hour_local(call.started_at_ms)),
            Field::WeekdayLocal => Datum::Integer(self.settings.weekday_local(call.started_at_ms)),
        }
    }
}
