//! Where a chunk is cut: which of its calls derived tiles take in, and from which record on the stream delivers
//! again. No I/O: the model checker runs these very functions.

use tiles::Verdict;

/// Place of the first record that the first stage left undone: its quarantine failed, or the caller tile of its call
/// is not written. `calls` gives, in order, the place of each valid call's record and what its caller tile said.
pub fn first_unsettled(
    unquarantined: Option<usize>,
    calls: impl IntoIterator<Item = (usize, Option<Verdict>)>,
) -> Option<usize> {
    let unwritten = calls.into_iter().find(|(_, verdict)| verdict.is_none()).map(|(record_at, _)| record_at);
    unquarantined.into_iter().chain(unwritten).min()
}

/// How many calls, counted from the first, derived tiles may take in: those whose records stand before the first
/// unsettled one. The calls behind it are decided anew by the next delivery, and a position that a derived tile has
/// passed is never taken in again.
pub fn settled_calls(record_places: impl IntoIterator<Item = usize>, first_unsettled: Option<usize>) -> usize {
    let is_settled = |place: &usize| first_unsettled.is_none_or(|unsettled| *place < unsettled);
    record_places.into_iter().take_while(is_settled).count()
}

/// Place of the first record that the stream is to deliver again: unsettled, or settled and missing in a derived
/// tile.
pub fn first_undone(first_unsettled: Option<usize>, first_underived: Option<usize>) -> Option<usize> {
    first_unsettled.into_iter().chain(first_underived).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Option<Verdict> = Some(Verdict::New);

    #[test]
    fn the_cut_is_before_the_first_record_that_is_not_settled() {
        // The record at 1 is no call.
        let calls = [(0, NEW), (2, None), (3, NEW)];
        assert_eq!(first_unsettled(None, calls), Some(2));
        assert_eq!(first_unsettled(Some(1), calls), Some(1));
        assert_eq!(first_unsettled(Some(3), calls), Some(2));
        assert_eq!(first_unsettled(None, [(0, NEW)]), None);
        let places = || calls.map(|(place, _)| place);
        assert_eq!(settled_calls(places(), Some(2)), 1);
        assert_eq!(settled_calls(places(), Some(0)), 0);
        assert_eq!(settled_calls(places(), None), 3);
    }

    #[test]
    fn what_is_undone_is_the_earlier_of_both_stages() {
        assert_eq!(first_undone(Some(4), Some(1)), Some(1));
        assert_eq!(first_undone(None, Some(1)), Some(1));
        assert_eq!(first_undone(Some(4), None), Some(4));
        assert_eq!(first_undone(None, None), None);
    }
}
