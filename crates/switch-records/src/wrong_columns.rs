//! What is wrong with an order of columns.

/// An order of columns that no call can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongColumns {
    /// A column is not among them, and what has to be.
    #[error("the columns that were given have no {0}: wants {1}")]
    Missing(&'static str, &'static str),
    /// A template that FreeSWITCH ships, and that leaves out what a call needs.
    #[error(
        "it is written by FreeSWITCH's template {0}, which has no {1}: add them to the template and give it, \
         or have another one written"
    )]
    Template(&'static str, &'static str),
}
