//! Places in a text.

/// A place between two rows of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Place {
    /// Bytes of the decompressed text before it.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

/// Where reading begins, and what the end of the file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LegStart {
    /// Where it begins, which is where [`crate::LegFile::place`] once was. What the file is, and its header, is still
    /// looked up at its beginning.
    pub place: Place,
    /// Whether the file is being written: a last row that may not be whole is not given, and is not passed over.
    pub growing: bool,
}
