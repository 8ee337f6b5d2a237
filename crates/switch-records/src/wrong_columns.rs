//! What is wrong with an order of columns.

/// An order of columns that no call can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongColumns {
    /// A column is not among them, and what has to be.
    #[error("the columns that were given have no {0}: wants {1}")]
    Missing(&'static str, &'static str),
}
