//! Names of runs.

use snapshot::{RunId, RunIdError};

/// Another id at every run: its time, in milliseconds since 1970 UTC, and what tells apart runs that begin at the same
/// moment.
pub fn run_id(now_ms: i64, random: u32) -> Result<RunId, RunIdError> {
    let time = cdr::format_time(now_ms).replace(['-', ':', '.'], "");
    format!("{time}-{random:08x}").parse()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn run_ids_begin_with_the_time_and_differ() {
        let (first, second) = (run_id(1_795_244_765_004, 7).unwrap(), run_id(1_795_244_765_004, 8).unwrap());
        assert_eq!(first.as_str(), "20261121T070605004Z-00000007");
        assert_ne!(first, second);
    }
}
