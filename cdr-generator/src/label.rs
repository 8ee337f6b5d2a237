//! The truth about planted fraud: which numbers took part in what, when.

use std::fmt;

use smol_str::SmolStr;

/// A kind of fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Calls that ring once, from a number that is dear to call back.
    Wangiri,
    /// Stolen SIM cards, abroad, call the numbers of one high-risk block for as long as they can.
    Irsf,
    /// A machine calls everybody and plays a message.
    Robocall,
    /// Calls from abroad come in as local ones through a box of SIM cards.
    SimBox,
    /// The telephone system of an office is broken into: probed with short calls, then made to call premium numbers,
    /// many at a time, while nobody is there.
    PbxHack,
    /// Numbers taken out in a false name: quiet for days, then dear calls until they are cut off.
    SubscriptionFraud,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 6] =
        [Self::Wangiri, Self::Irsf, Self::Robocall, Self::SimBox, Self::PbxHack, Self::SubscriptionFraud];

    /// The name in files: `wangiri`, `irsf`, `robocall`, `sim_box`, `pbx_hack` or `subscription_fraud`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wangiri => "wangiri",
            Self::Irsf => "irsf",
            Self::Robocall => "robocall",
            Self::SimBox => "sim_box",
            Self::PbxHack => "pbx_hack",
            Self::SubscriptionFraud => "subscription_fraud",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which side of the calls a labelled number is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It calls.
    Caller,
    /// It is called.
    Callee,
}

impl Role {
    /// The name in files: `caller` or `callee`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// One number of one campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// What kind of fraud.
    pub scheme: Scheme,
    /// Tells campaigns apart; those of one scheme are counted from 0, the one at the end of the period.
    pub campaign: u32,
    /// The number, canonical.
    pub number: SmolStr,
    /// Whether it calls or is called.
    pub role: Role,
    /// When the fraud begins, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// When it is over: every call of it began before. Milliseconds since 1970 UTC.
    pub end_ms: i64,
    /// How plain the campaign is: 1 is as plain as such fraud is described, less is harder to tell.
    pub strength: f64,
}

impl Label {
    /// The first line of a file of labels.
    pub const CSV_HEADER: &'static str = "scheme,campaign,number,role,start,end,strength";

    /// The label as a line of CSV without its end; times are RFC 3339.
    pub fn to_csv(&self) -> String {
        format!(
            "{},{},{},{},{},{},{}",
            self.scheme,
            self.campaign,
            self.number,
            self.role.as_str(),
            cdr::format_time(self.start_ms),
            cdr::format_time(self.end_ms),
            self.strength
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_columns_of_the_header() {
        let label = Label {
            scheme: Scheme::SimBox,
            campaign: 2,
            number: "+12025550101".into(),
            role: Role::Caller,
            start_ms: 1_795_219_200_000,
            end_ms: 1_795_219_260_000,
            strength: 0.25,
        };
        assert_eq!(
            label.to_csv(),
            "sim_box,2,+12025550101,caller,2026-11-21T00:00:00.000Z,2026-11-21T00:01:00.000Z,0.25"
        );
        assert_eq!(label.to_csv().split(',').count(), Label::CSV_HEADER.split(',').count());
    }
}
