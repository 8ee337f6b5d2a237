//! Who a feature is about: a party at a level, such as `caller:prefix:+1202`.

use std::fmt;
use std::str::FromStr;

use cdr::{CallRecord, Number, NumberKind};
use smol_str::SmolStr;

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// The A-number.
    Caller,
    /// The B-number.
    Callee,
}

impl Party {
    /// Both, in the order that files and answers use.
    pub const ALL: [Self; 2] = [Self::Caller, Self::Callee];

    /// `caller` or `callee`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }

    /// The party's number in a call.
    pub const fn number(self, call: &CallRecord) -> &Number {
        match self {
            Self::Caller => &call.caller,
            Self::Callee => &call.callee,
        }
    }
}

/// How much of a number makes the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The number itself.
    Phone,
    /// Country code and national destination code.
    Prefix,
    /// A number block.
    Range,
}

impl Level {
    /// All, from narrow to wide as files and answers list them.
    pub const ALL: [Self; 3] = [Self::Phone, Self::Prefix, Self::Range];

    /// `phone`, `prefix` or `range`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Prefix => "prefix",
            Self::Range => "range",
        }
    }

    /// The part of the number that names the entity at this level. `None` where it has none: an anonymous
    /// number at every level, anything but E.164 at prefix and range level.
    pub fn key(self, number: &Number, range_digits: u8) -> Option<&str> {
        match self {
            Self::Phone => (number.kind() != NumberKind::Anonymous).then(|| number.as_str()),
            Self::Prefix => number.prefix(),
            Self::Range => number.range(range_digits),
        }
    }
}

/// A party, a level and a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    /// Which side of the call.
    pub party: Party,
    /// How much of the number.
    pub level: Level,
    /// The number, prefix or range, such as `+1202`.
    pub key: SmolStr,
}

impl Entity {
    /// The entity with this key.
    pub fn new(party: Party, level: Level, key: &str) -> Self {
        Self { party, level, key: SmolStr::new(key) }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.party.as_str(), self.level.as_str(), self.key)
    }
}

/// A text that names no party or level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be one of {expected}")]
pub struct EntityError {
    /// What was being read: `party`, `level` or `entity`.
    pub what: &'static str,
    /// What may stand there.
    pub expected: &'static str,
}

impl FromStr for Party {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let found = Self::ALL.into_iter().find(|party| party.as_str() == text);
        found.ok_or(EntityError { what: "party", expected: "caller, callee" })
    }
}

impl FromStr for Level {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or(EntityError { what: "level", expected: "phone, prefix, range" })
    }
}

impl FromStr for Entity {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let wrong = EntityError { what: "entity", expected: "PARTY:LEVEL:KEY, such as caller:prefix:+1202" };
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(party), Some(level), Some(key)) if !key.is_empty() => {
                Ok(Self::new(party.parse()?, level.parse()?, key))
            }
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_entity_reads_what_it_writes() {
        for text in ["caller:phone:+12025550101", "callee:prefix:+44", "caller:phone:ext:hq/1001"] {
            assert_eq!(text.parse::<Entity>().unwrap().to_string(), text);
        }
        assert!("caller:phone:".parse::<Entity>().is_err());
        assert!("nobody:phone:+1".parse::<Entity>().is_err());
    }
}
