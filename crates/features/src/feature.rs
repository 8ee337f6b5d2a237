//! A declared feature.

use crate::{BatchWindow, Level, Party, SlotMask, StreamWindow, Window};

/// The aggregates that a definition may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregate {
    /// Calls.
    Count,
    /// Sum of an integer.
    Sum,
    /// Mean of an integer.
    Mean,
    /// Smallest integer.
    Min,
    /// Largest integer.
    Max,
    /// Standard deviation of the population.
    Stddev,
    /// Different texts.
    Distinct,
    /// UTC days with a call.
    ActiveDays,
    /// Calls a minute or a day.
    Rate,
    /// One aggregate divided by another.
    Ratio,
}

impl Aggregate {
    /// The name in `features.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Stddev => "stddev",
            Self::Distinct => "distinct",
            Self::ActiveDays => "active_days",
            Self::Rate => "rate",
            Self::Ratio => "ratio",
        }
    }

    /// Whether its values are whole numbers.
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Min | Self::Max | Self::Distinct | Self::ActiveDays)
    }
}

/// How a value is made from the slots of a state. The numbers are places in [`crate::FeatureSet::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// The slot's own value.
    Slot(usize),
    /// Calls divided by the time covered.
    Rate {
        /// Calls.
        count: usize,
    },
    /// Sum divided by count.
    Mean {
        /// Calls whose input is not null.
        count: usize,
        /// Their sum.
        sum: usize,
    },
    /// Standard deviation of the population.
    Stddev {
        /// Calls whose input is not null.
        count: usize,
        /// Their sum.
        sum: usize,
        /// The sum of their squares.
        sum_squares: usize,
    },
    /// One slot divided by another.
    Ratio {
        /// Numerator.
        of: usize,
        /// Denominator.
        per: usize,
    },
}

impl Formula {
    /// The slots it reads.
    pub fn slots(&self) -> SlotMask {
        match *self {
            Self::Slot(slot) | Self::Rate { count: slot } => SlotMask::of(&[slot]),
            Self::Mean { count, sum } => SlotMask::of(&[count, sum]),
            Self::Stddev { count, sum, sum_squares } => SlotMask::of(&[count, sum, sum_squares]),
            Self::Ratio { of, per } => SlotMask::of(&[of, per]),
        }
    }
}

/// One feature of one party. A definition that names both parties makes two.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The declared name, such as `short_calls`.
    pub name: String,
    /// One line for people; empty where the definition has none.
    pub about: String,
    /// Which side of the call.
    pub party: Party,
    /// The levels it is declared for.
    pub levels: Vec<Level>,
    /// What is computed.
    pub aggregate: Aggregate,
    /// How it is computed from slots.
    pub formula: Formula,
    /// Windows answered from tiles, ascending.
    pub stream: Vec<StreamWindow>,
    /// Windows answered from snapshots, ascending.
    pub batch: Vec<BatchWindow>,
    /// Decimals of the value, where the definition rounds.
    pub decimals: Option<u32>,
}

impl Feature {
    /// All its windows, stream first.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        let stream = self.stream.iter().copied().map(Window::Stream);
        stream.chain(self.batch.iter().copied().map(Window::Batch))
    }

    /// The id of the feature over a window, such as `short_calls_7d`.
    pub fn id(&self, window: Window) -> String {
        format!("{}_{window}", self.name)
    }
}
