//! The fields of a call that a mapping gives columns for.

/// A field that columns can be mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MappedField {
    CallId,
    Link,
    Caller,
    Callee,
    StartedAt,
    AnsweredAt,
    EndedAt,
    Ring,
    Talk,
    Duration,
    Outcome,
    Cost,
    Currency,
    Trunk,
    CellId,
    Imei,
    CallerIp,
}

impl MappedField {
    /// How many there are.
    pub const COUNT: usize = 17;

    /// Every field, in the order of the enum.
    pub const ALL: [Self; Self::COUNT] = [
        Self::CallId,
        Self::Link,
        Self::Caller,
        Self::Callee,
        Self::StartedAt,
        Self::AnsweredAt,
        Self::EndedAt,
        Self::Ring,
        Self::Talk,
        Self::Duration,
        Self::Outcome,
        Self::Cost,
        Self::Currency,
        Self::Trunk,
        Self::CellId,
        Self::Imei,
        Self::CallerIp,
    ];

    /// The key in a mapping.
    pub const fn key(self) -> &'static str {
        match self {
            Self::CallId => "call_id",
            Self::Link => "link",
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::StartedAt => "started_at",
            Self::AnsweredAt => "answered_at",
            Self::EndedAt => "ended_at",
            Self::Ring => "ring",
            Self::Talk => "talk",
            Self::Duration => "duration",
            Self::Outcome => "outcome",
            Self::Cost => "cost",
            Self::Currency => "currency",
            Self::Trunk => "trunk",
            Self::CellId => "cell_id",
            Self::Imei => "imei",
            Self::CallerIp => "caller_ip",
        }
    }

    /// How many columns it may be made of: a date and a time are two, a name may be a few.
    pub const fn most_columns(self) -> usize {
        match self {
            Self::CallId | Self::Link | Self::StartedAt | Self::AnsweredAt | Self::EndedAt => 4,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_at_its_place() {
        for (place, field) in MappedField::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place);
        }
    }
}
