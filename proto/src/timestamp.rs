//! Timestamps as the rest of the code keeps time: milliseconds since 1970 UTC.

use buffa_types::google::protobuf::Timestamp;

/// The protobuf form of a moment in milliseconds since 1970 UTC.
pub fn from_millis(ms: i64) -> Timestamp {
    Timestamp::from_unix(ms.div_euclid(1000), (ms.rem_euclid(1000) * 1_000_000) as i32)
}

/// Milliseconds since 1970 UTC; fractions of a millisecond are cut. `None` if the timestamp is not one: nanos
/// outside [0, 1e9) or a year outside 1 to 9999, as protobuf defines it.
pub fn to_millis(timestamp: &Timestamp) -> Option<i64> {
    let seconds_ok = (FIRST_SECOND..=LAST_SECOND).contains(&timestamp.seconds);
    let nanos_ok = (0..1_000_000_000).contains(&timestamp.nanos);
    (seconds_ok && nanos_ok).then(|| timestamp.seconds * 1000 + i64::from(timestamp.nanos / 1_000_000))
}

/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millis_survive_the_round_trip_also_before_1970() {
        for ms in [0, 1, 999, 1_000, -1, -999, -1_000, 1_795_000_000_123, FIRST_SECOND * 1000] {
            let timestamp = from_millis(ms);
            assert!((0..1_000_000_000).contains(&timestamp.nanos), "{ms}");
            assert_eq!(to_millis(&timestamp), Some(ms));
        }
    }

    #[test]
    fn fractions_of_a_millisecond_are_cut() {
        assert_eq!(to_millis(&Timestamp { seconds: 1, nanos: 1_999_999, ..Default::default() }), Some(1_001));
    }

    #[test]
    fn what_protobuf_does_not_allow_is_no_moment() {
        let timestamp = |seconds, nanos| Timestamp { seconds, nanos, ..Default::default() };
        assert_eq!(to_millis(&timestamp(0, -1)), None);
        assert_eq!(to_millis(&timestamp(0, 1_000_000_000)), None);
        assert_eq!(to_millis(&timestamp(i64::MAX, 0)), None);
        assert_eq!(to_millis(&timestamp(LAST_SECOND + 1, 0)), None);
    }
}
