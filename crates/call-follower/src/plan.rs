//! What to read next, decided from what is known and what lies there. Nothing is opened here.

use crate::glance::Glance;
use crate::resume::FileState;

/// Whether the file that is read was emptied, and perhaps written anew, by what it is now: a rotation that copies.
pub(crate) fn is_cut(read: &FileState, now: &Glance) -> bool {
    now.len < read.read_to || !read.beginning.is_of(&now.first)
}

/// A file to be read, or why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// The file with this place in what is known, under another name or as a copy: it is read on from where it was left.
    Known(usize, &'a Glance),
    /// A file that is read from its beginning.
    New(&'a Glance),
    /// A file that was written since, is compressed by now, and was not read.
    Packed(&'a Glance),
    /// The file with this place in what is known is not there any more.
    Lost(usize),
}

/// What is to be read, in this order, by one who knows `files` (the oldest first) and comes back.
pub(crate) fn resume<'a>(files: &[FileState], at_path: Option<&'a Glance>, siblings: &'a [Glance]) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let mut taken: Vec<&Glance> = Vec::new();
    // What was written before this has been read.
    let mut since_ms = None;
    for (place, file) in files.iter().enumerate() {
        if file.read_to == 0 {
            // Nothing was read of it: it is among what was written since.
            since_ms = since_ms.or(Some(file.modified_ms));
            continue;
        }
        let all = at_path.into_iter().chain(siblings);
        let alike: Vec<&Glance> = all.filter(|glance| is_it(file, glance) && !taken.contains(glance)).collect();
        // A copy of it may lie beside it; and where it was emptied, the copy is what is left.
        let same = alike.iter().find(|glance| glance.place == file.place);
        if let Some(glance) = same.or(alike.first()) {
            taken.push(glance);
            since_ms = Some(glance.modified_ms);
            found.push(Found::Known(place, glance));
        } else {
            since_ms = Some(file.modified_ms);
            found.push(Found::Lost(place));
        }
    }
    if at_path.is_some_and(|at_path| taken.contains(&at_path)) {
        return found;
    }
    if let Some(since_ms) = since_ms {
        let is_copy = |glance: &Glance| {
            files.iter().any(|file| file.read_to > 0 && file.beginning.is_of(&glance.first))
                || taken.iter().copied().chain(at_path).any(|read| read.first.starts_with(&glance.first))
        };
        let between = siblings.iter().filter(|glance| {
            // What is packed keeps its time: of the same time it is the file that was read.
            let is_later = glance.modified_ms > since_ms || glance.modified_ms == since_ms && !glance.is_packed();
            is_later && glance.len > 0 && !taken.contains(glance) && !is_copy(glance)
        });
        found.extend(
            between.map(|glance| if glance.is_packed() { Found::Packed(glance) } else { Found::New(glance) }),
        );
    }
    found.extend(at_path.map(Found::New));
    found
}

/// Whether what lies there may be the file, grown at most.
fn is_it(file: &FileState, glance: &Glance) -> bool {
    glance.len >= file.read_to && file.beginning.is_of(&glance.first)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::glance::{Beginning, Place};

    /// A file of which so many bytes of that text were read.
    fn known(inode: u64, text: &str, read_to: u64) -> FileState {
        let beginning = Beginning::of(text.as_bytes());
        let place = Place { device: 1, inode };
        FileState { serial: inode, place, beginning, modified_ms: 100, read_to, lines: 0, is_over: false }
    }

    fn there(name: &str, inode: u64, text: &str, modified_ms: i64) -> Glance {
        let first = text.as_bytes().to_vec();
        let place = Place { device: 1, inode };
        Glance { path: PathBuf::from(name), place, len: text.len() as u64, modified_ms, first }
    }

    #[test]
    fn a_file_grows_or_is_cut() {
        let read = known(7, "one\ntwo\n", 8);
        let is_cut = |text: &str| is_cut(&read, &there("f", 7, text, 0));
        assert!(!is_cut("one\ntwo\n") && !is_cut("one\ntwo\nthree\n"));
        assert!(is_cut("") && is_cut("new\n"));
        // Emptied, and longer again than it was.
        assert!(is_cut("new\nand\nmore\n"));
    }

    #[test]
    fn what_still_has_its_name_is_read_on() {
        let files = [known(7, "one\ntwo\n", 4)];
        let (now, old) = (there("f", 7, "one\ntwo\n", 200), there("f.1", 6, "zero\n", 300));
        assert_eq!(resume(&files, Some(&now), &[old]), [Found::Known(0, &now)]);
    }

    #[test]
    fn what_was_renamed_is_finished_before_its_successors() {
        let files = [known(7, "one\ntwo\n", 4)];
        let siblings = [
            there("f.4", 4, "older\n", 90),
            there("f.3", 7, "one\ntwo\n", 100),
            there("f.2", 8, "three\n", 200),
            there("f.1", 9, "four\n", 300),
        ];
        let now = there("f", 10, "five\n", 400);
        let [_, third, second, first] = &siblings;
        let expected = [Found::Known(0, third), Found::New(second), Found::New(first), Found::New(&now)];
        assert_eq!(resume(&files, Some(&now), &siblings), expected);
        // Its successor may be yet to come.
        assert_eq!(resume(&files, None, &siblings)[..3], expected[..3]);
    }

    #[test]
    fn an_inode_that_another_file_has_by_now_is_not_it() {
        let files = [known(7, "one\ntwo\n", 4)];
        let siblings = [there("f.1", 8, "one\ntwo\n", 200)];
        let now = there("f", 7, "other\nrows\n", 300);
        // A rotation that copies: the copy is read on, and then what is new under the name.
        assert_eq!(resume(&files, Some(&now), &siblings), [Found::Known(0, &siblings[0]), Found::New(&now)]);
        assert_eq!(resume(&files, Some(&now), &[]), [Found::Lost(0), Found::New(&now)]);
    }

    #[test]
    fn what_is_gone_or_compressed_is_told() {
        let files = [known(7, "one\ntwo\n", 4)];
        let siblings = [there("f.1.gz", 8, "\u{1f}", 200)];
        let mut siblings = siblings.map(|packed| Glance { first: vec![0x1F, 0x8B, 8], ..packed });
        let now = there("f", 9, "three\n", 300);
        let expected = [Found::Lost(0), Found::Packed(&siblings[0]), Found::New(&now)];
        assert_eq!(resume(&files, Some(&now), &siblings), expected);
        // From before anything was read last.
        siblings[0].modified_ms = 50;
        assert_eq!(resume(&files, Some(&now), &siblings), [Found::Lost(0), Found::New(&now)]);
    }

    #[test]
    fn copies_of_what_is_read_anyway_are_left_alone() {
        let files = [known(7, "one\ntwo\n", 4)];
        let siblings = [
            there("f.1", 7, "one\ntwo\n", 100),
            there("f.bak", 8, "one\n", 200),
            there("f.copy", 10, "three\n", 500),
        ];
        let now = there("f", 9, "three\nfour\n", 300);
        assert_eq!(resume(&files, Some(&now), &siblings), [Found::Known(0, &siblings[0]), Found::New(&now)]);
    }

    #[test]
    fn one_who_comes_for_the_first_time_reads_what_has_the_name() {
        let now = there("f", 9, "three\n", 300);
        assert_eq!(resume(&[], Some(&now), &[there("f.1", 7, "one\n", 200)]), [Found::New(&now)]);
        assert_eq!(resume(&[], None, &[there("f.1", 7, "one\n", 200)]), []);
    }
}
