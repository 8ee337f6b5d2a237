//! What a switch does not write down: who it is and which time its clock shows.

use cdr::NumberPlan;
use jiff::tz::TimeZone;

/// What has to be known of a switch to read its rows.
#[derive(Clone)]
pub struct Site<'p> {
    /// Reads its numbers.
    pub plan: &'p NumberPlan,
    /// Names it: its extension 1001 becomes `ext:<name>/1001`.
    pub name: String,
    /// The zone of times that are written without one.
    pub zone: TimeZone,
}

/// A site that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownSite {
    /// The name of the site.
    #[error("site {0:?} names no switch: wants 1 to 32 letters, digits and . _ -")]
    Name(String),
    /// The zone.
    #[error("time zone {0:?} is unknown: wants an IANA name such as UTC or America/New_York")]
    Zone(String),
}

impl<'p> Site<'p> {
    /// A site by its name and the IANA name of its zone.
    pub fn new(plan: &'p NumberPlan, name: &str, zone: &str) -> Result<Self, UnknownSite> {
        plan.parse(&format!("ext:{name}/1")).map_err(|_| UnknownSite::Name(name.to_owned()))?;
        let zone = TimeZone::get(zone).map_err(|_| UnknownSite::Zone(zone.to_owned()))?;
        Ok(Self { plan, name: name.to_owned(), zone })
    }
}
