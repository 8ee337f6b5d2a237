//! Telephone numbers as parties use them: E.164, extensions, short codes, SMS senders, anonymous.

use smol_str::SmolStr;

/// What a number is; the fixed names are the values of the `caller_kind` and `callee_kind` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberKind {
    /// `+<digits>`, ITU-T E.164. The only kind that has a country, a prefix and a range.
    E164,
    /// `ext:<site>/<n>`, an extension of a PBX.
    Extension,
    /// `short:<cc>:<n>`, a short code of a country.
    Short,
    /// `alpha:<cc>:<name>`, an alphanumeric SMS sender.
    Alpha,
    /// `anonymous`: the number was withheld. It has no tiles of its own.
    Anonymous,
}

impl NumberKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::E164, Self::Extension, Self::Short, Self::Alpha, Self::Anonymous];

    /// The name in expressions and files: `e164`, `ext`, `short`, `alpha` or `anonymous`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::E164 => "e164",
            Self::Extension => "ext",
            Self::Short => "short",
            Self::Alpha => "alpha",
            Self::Anonymous => "anonymous",
        }
    }
}

/// A normalised number with what the number plan knows of it. Made by [`crate::NumberPlan`] only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    text: SmolStr,
    kind: NumberKind,
    /// Bytes of `text` (the `+` included) that are the prefix; 0 unless E.164.
    prefix_len: u8,
    /// ISO 3166-1 alpha-2 region, or `001` for a non-geographic code; empty unless E.164 and known.
    country: SmolStr,
}

impl Number {
    pub(crate) fn new(text: SmolStr, kind: NumberKind, prefix_len: u8, country: SmolStr) -> Self {
        Self { text, kind, prefix_len, country }
    }

    /// The canonical text, such as `+12025550101`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the number is.
    pub const fn kind(&self) -> NumberKind {
        self.kind
    }

    /// Country code and national destination code, such as `+1202`; `None` unless E.164.
    pub fn prefix(&self) -> Option<&str> {
        (self.prefix_len > 0).then(|| &self.text[..usize::from(self.prefix_len)])
    }

    /// The number block: the number without its last `range_digits` digits; `None` unless E.164.
    pub fn range(&self, range_digits: u8) -> Option<&str> {
        (self.kind == NumberKind::E164).then(|| &self.text[..self.text.len() - usize::from(range_digits)])
    }

    /// The region the number belongs to (ISO 3166-1 alpha-2, or `001`); `None` unless E.164 and known.
    pub fn country(&self) -> Option<&str> {
        (!self.country.is_empty()).then_some(self.country.as_str())
    }
}
