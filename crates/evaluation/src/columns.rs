//! What is evaluated: every feature and stream window that the stream answers for a phone.

use features::{FeatureSet, Level, Party, StreamWindow, Window};

/// A feature over a stream window.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Such as `calls_5m`.
    pub id: String,
    /// The declared name, such as `calls`.
    pub name: String,
    /// Whether values are whole numbers.
    pub is_whole: bool,
    /// Place of the feature in the feature set.
    pub(crate) feature: usize,
    /// Place of the window in [`Columns::windows`].
    pub(crate) window: usize,
}

/// The columns of both parties, in the order of the definitions.
#[derive(Clone, Debug)]
pub struct Columns {
    columns: [Vec<Column>; 2],
    windows: [Vec<StreamWindow>; 2],
}

impl Columns {
    /// Those of a feature set. A party whose phones the stream keeps no tiles of has none.
    pub fn of(set: &FeatureSet) -> Self {
        let windows = Party::ALL.map(|party| windows_of(set, party));
        let columns = Party::ALL.map(|party| columns_of(set, party, &windows[party as usize]));
        Self { columns, windows }
    }

    /// Those of a party: what [`crate::Evaluation::values`] has, in that order.
    pub fn of_party(&self, party: Party) -> &[Column] {
        &self.columns[party as usize]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(Vec::is_empty)
    }

    /// The windows of a party, ascending.
    pub(crate) fn windows(&self, party: Party) -> &[StreamWindow] {
        &self.windows[party as usize]
    }
}

fn windows_of(set: &FeatureSet, party: Party) -> Vec<StreamWindow> {
    if !set.is_streamed(party, Level::Phone) {
        return Vec::new();
    }
    let mut windows: Vec<_> =
        set.features_at(party, Level::Phone).flat_map(|feature| feature.stream.iter().copied()).collect();
    windows.sort_unstable();
    windows.dedup();
    windows
}

fn columns_of(set: &FeatureSet, party: Party, windows: &[StreamWindow]) -> Vec<Column> {
    let mut columns = Vec::new();
    for (place, feature) in set.features().iter().enumerate() {
        if feature.party != party || !feature.levels.contains(&Level::Phone) {
            continue;
        }
        for window in &feature.stream {
            let Ok(at) = windows.binary_search(window) else { continue };
            columns.push(Column {
                id: feature.id(Window::Stream(*window)),
                name: feature.name.clone(),
                is_whole: feature.aggregate.is_integer(),
                feature: place,
                window: at,
            });
        }
    }
    columns
}
