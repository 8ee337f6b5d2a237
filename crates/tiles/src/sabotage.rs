//! Ways to break the exactly-once protocol, one at a time, so that the simulation can prove that it would notice.
//!
//! The switch exists only with the cargo feature `sabotage`, which nothing but `tests/simulation` asks for; without
//! it [`is_on`] is a constant `false` and the compiler leaves nothing of it.

/// One thing done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sabotage {
    /// The store writes whatever the stored version is.
    UnconditionalWrite,
    /// A write that was refused is taken for done.
    RefusalIgnored,
    /// A write that got no answer is taken for done.
    NoAnswerTakenForDone,
    /// A tile whose write failed stays in the cache as if it were stored.
    CacheTrustedAfterFailure,
    /// Derived tiles take in calls behind the first unsettled record.
    DerivedBeyondUnsettled,
    /// Derived tiles share one position a shard.
    OneCheckpointAShard,
    /// The last record applied to a derived tile counts as not applied.
    AppliedIsExclusive,
    /// A derived tile is brought up to date from its last call backwards.
    DerivedBackwards,
    /// A caller tile remembers its last call only.
    CallerRemembersOne,
    /// A caller tile remembers the call, not which delivery of it counted.
    DeliveryForgotten,
    /// Derived tiles are written before caller tiles have decided.
    DerivedBeforeVerdict,
    /// The generation is not raised when the stream is recreated.
    GenerationNotRaised,
    /// Every record of an aggregate has the position of the aggregate.
    SubSequenceLeftOut,
    /// The batch is reported failed from the record behind the first undone one.
    FailureReportedOneLate,
    /// A record whose quarantine failed counts as done.
    QuarantineFailureIgnored,
    /// Quarantine is keyed by reason and shard, not by position.
    QuarantineWithoutPosition,
    /// Lateness is judged by the clock of the machine.
    LatenessByClock,
    /// A caller tile expires before the derived tiles that counted its calls.
    CallerTileExpiresFirst,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::UnconditionalWrite,
        Self::RefusalIgnored,
        Self::NoAnswerTakenForDone,
        Self::CacheTrustedAfterFailure,
        Self::DerivedBeyondUnsettled,
        Self::OneCheckpointAShard,
        Self::AppliedIsExclusive,
        Self::DerivedBackwards,
        Self::CallerRemembersOne,
        Self::DeliveryForgotten,
        Self::DerivedBeforeVerdict,
        Self::GenerationNotRaised,
        Self::SubSequenceLeftOut,
        Self::FailureReportedOneLate,
        Self::QuarantineFailureIgnored,
        Self::QuarantineWithoutPosition,
        Self::LatenessByClock,
        Self::CallerTileExpiresFirst,
    ];
}

#[cfg(feature = "sabotage")]
thread_local! {
    static ON: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
    static SHARD_CHECKPOINTS: std::cell::RefCell<std::collections::BTreeMap<String, crate::Position>> =
        const { std::cell::RefCell::new(std::collections::BTreeMap::new()) };
}

/// Switches one on for this thread, or all off.
#[cfg(feature = "sabotage")]
pub fn set(sabotage: Option<Sabotage>) {
    ON.set(sabotage);
    SHARD_CHECKPOINTS.with_borrow_mut(std::collections::BTreeMap::clear);
}

/// Whether this one is on.
#[cfg(feature = "sabotage")]
pub fn is_on(sabotage: Sabotage) -> bool {
    ON.get() == Some(sabotage)
}

/// Whether this one is on: never.
#[cfg(not(feature = "sabotage"))]
pub const fn is_on(_: Sabotage) -> bool {
    false
}

/// For [`Sabotage::OneCheckpointAShard`]: whether a shard's shared position has passed this one.
#[cfg(feature = "sabotage")]
pub fn shard_has(shard: &str, position: crate::Position) -> bool {
    is_on(Sabotage::OneCheckpointAShard)
        && SHARD_CHECKPOINTS.with_borrow(|seen| seen.get(shard).is_some_and(|checkpoint| position <= *checkpoint))
}

/// For [`Sabotage::OneCheckpointAShard`]: never.
#[cfg(not(feature = "sabotage"))]
pub const fn shard_has(_: &str, _: crate::Position) -> bool {
    false
}

/// For [`Sabotage::OneCheckpointAShard`]: a derived tile of the shard was written up to here.
#[cfg(feature = "sabotage")]
pub fn shard_wrote(shard: &str, position: crate::Position) {
    SHARD_CHECKPOINTS.with_borrow_mut(|seen| {
        let checkpoint = seen.entry(shard.to_owned()).or_insert(position);
        *checkpoint = position.max(*checkpoint);
    });
}

/// For [`Sabotage::OneCheckpointAShard`]: nothing to note.
#[cfg(not(feature = "sabotage"))]
pub const fn shard_wrote(_: &str, _: crate::Position) {}
