//! Every bound on what is kept of legs, in one place.

/// The most calls that wait for more legs: some 160 MB, and more than an hour of 50 linked calls a second.
pub(crate) const MAX_OPEN_CALLS: usize = 262_144;

/// The most legs of calls that wait: a few a call, with room for a queue that rings many telephones.
pub(crate) const MAX_OPEN_LEGS: usize = 4 * MAX_OPEN_CALLS;

/// The most legs of a call: it is given then, and the rest refused. A queue that rings twenty telephones for ten minutes
/// writes some 600; without a bound, rows that all name one link would take time by their square.
pub(crate) const MAX_LEGS_OF_CALL: usize = 1_024;

/// The most links of calls that were given and that are remembered, so that a leg that comes late does not count again:
/// some 40 MB.
pub(crate) const MAX_GIVEN_LINKS: usize = 1024 * 1024;

/// The most links of a leg that are looked at; formats have four at most.
pub(crate) const MAX_LINKS_OF_LEG: usize = 8;
