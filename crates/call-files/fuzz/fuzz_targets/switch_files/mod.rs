//! Any bytes as the file of a switch.

use std::cell::RefCell;
use std::io::{Seek as _, Write as _};
use std::sync::LazyLock;

use call_files::{Format, Legs, ReadError, ReadOptions, SwitchFormat, SwitchOptions, open, open_legs};
use cdr::NumberPlan;

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").expect("a region"));

/// For the mapped CSV.
const MAPPING: &str = include_str!("../../../../../examples/mapping.toml");

thread_local! {
    /// One file, written again and again.
    static FILE: RefCell<tempfile::NamedTempFile> = RefCell::new(tempfile::NamedTempFile::new().expect("a file"));
}

/// Reads the bytes as a file of the format: through detection, framing, reader and merger. A row is a leg, nothing or an
/// error; the numbers of rows go up; merged, there are no more calls than legs.
pub fn read(format: SwitchFormat, bytes: &[u8]) {
    FILE.with_borrow_mut(|file| {
        file.rewind().and_then(|()| file.as_file().set_len(0)).and_then(|()| file.write_all(bytes)).expect("written");
        let mut legs = 0_usize;
        for merged in [Legs::Each, Legs::Merged] {
            let switch = SwitchOptions {
                mapping: (format == SwitchFormat::MappedCsv).then(|| MAPPING.to_owned()),
                zone: "Europe/Berlin".to_owned(),
                legs: merged,
                ..SwitchOptions::default()
            };
            let options = ReadOptions { format: Some(Format::Switch(format)), switch };
            if merged == Legs::Each {
                let Ok(file) = open_legs(file.path(), &PLAN, &options) else { return };
                let mut last = 0;
                for leg in file {
                    let row = match leg {
                        Ok(leg) => {
                            legs += 1;
                            leg.row
                        }
                        Err(ReadError::Row(error)) => error.row,
                        Err(ReadError::File(_)) => break,
                    };
                    assert!(row >= last, "row {row} after {last}");
                    last = row;
                }
            } else {
                let Ok(file) = open(file.path(), &PLAN, &options) else { return };
                let calls = file.filter(Result::is_ok).count();
                assert!(calls <= legs, "{calls} calls of {legs} legs");
            }
        }
    });
}
