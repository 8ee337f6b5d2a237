//! Moments as text: RFC 3339 in and out.

/// The moment an RFC 3339 text names, in milliseconds since 1970 UTC; fractions of a millisecond are cut. `None`
/// if it is not RFC 3339 or names no zone. As in most libraries, second 60 is read as 59.
pub fn parse_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // YYYY-MM-DDThh:mm:ss is 19 bytes, and a zone must follow.
    if bytes.len() < 20
        || bytes[4] != b'-'
        || bytes[7] != b'-'
        || !matches!(bytes[10], b'T' | b't' | b' ')
        || bytes[13] != b':'
        || bytes[16] != b':'
    {
        return None;
    }
    let year = digits(&bytes[0..4])?;
    let month = digits(&bytes[5..7])?;
    let day = digits(&bytes[8..10])?;
    let hour = digits(&bytes[11..13])?;
    let minute = digits(&bytes[14..16])?;
    let second = digits(&bytes[17..19])?;
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (millis, zone) = fraction(&bytes[19..])?;
    let offset_seconds = zone_offset(zone)?;
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second.min(59) - offset_seconds;
    Some(seconds * 1000 + millis)
}

/// The canonical text of a moment in milliseconds since 1970 UTC: `2026-11-21T07:06:05.004Z`. For the years 0
/// to 9999; others come out with more digits than RFC 3339 has.
pub fn format_time(ms: i64) -> String {
    let mut out = String::with_capacity(24);
    write_time(&mut out, ms);
    out
}

/// Appends [`format_time`] to `out`.
pub(crate) fn write_time(out: &mut String, ms: i64) {
    use std::fmt::Write;

    let (year, month, day) = civil_from_days(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    if (0..=9999).contains(&year) {
        push_padded(out, year, 4);
        out.push('-');
        push_padded(out, month, 2);
        out.push('-');
        push_padded(out, day, 2);
        out.push('T');
        push_padded(out, hour, 2);
        out.push(':');
        push_padded(out, minute, 2);
        out.push(':');
        push_padded(out, second, 2);
        out.push('.');
        push_padded(out, milli, 3);
        out.push('Z');
    } else {
        // Writing to a String does not fail.
        let _ = write!(out, "{year:05}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
    }
}

fn push_padded(out: &mut String, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// Splits `.123456Z` into milliseconds and the zone.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else {
        return Some((0, bytes));
    };
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Nobody has more than picoseconds; the bound keeps a hostile text from being read for long.
    if len == 0 || len > 12 {
        return None;
    }
    let millis = (0..3).fold(0, |value, i| value * 10 + if i < len { i64::from(rest[i] - b'0') } else { 0 });
    Some((millis, &rest[len..]))
}

/// Seconds east of Greenwich.
fn zone_offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let hours = digits(&zone[1..3])?;
    let minutes = digits(&zone[4..6])?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Counted in eras of 400 years that begin on the
/// first of March, so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_OF_ERA + day_of_era - DAYS_TO_1970
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_OF_ERA);
    let day_of_era = days.rem_euclid(DAYS_OF_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Days of 400 years.
const DAYS_OF_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zones_fractions_and_separators_are_read() {
        let same = [
            "2026-11-21T07:06:05.004Z",
            "2026-11-21t07:06:05.004z",
            "2026-11-21 07:06:05.0049999Z",
            "2026-11-21T09:36:05.004+02:30",
            "2026-11-20T23:06:05.004-08:00",
            "2026-11-21T07:06:05.004-00:00",
        ];
        for text in same {
            assert_eq!(parse_time(text), Some(1_795_244_765_004), "{text}");
        }
        assert_eq!(parse_time("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn what_is_not_rfc_3339_with_a_zone_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T07:06:05",
            "2026-11-21T07:06:05.004",
            "2026-11-21T07:06:05.Z",
            "2026-11-21T07:06Z",
            "2026-13-21T07:06:05Z",
            "2026-02-29T07:06:05Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T07:60:05Z",
            "2026-11-21T07:06:61Z",
            "2026-11-21T07:06:05+0200",
            "2026-11-21T07:06:05+24:00",
            "2026-11-21T07:06:05Zx",
            "2026-11-21T07:06:05.0000000000000000000000Z",
            "1795244765004",
            "２０２６-11-21T07:06:05Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(ms in -62_000_000_000_000_i64..253_000_000_000_000, nanos in 0_i32..1_000_000) {
            let moment = jiff::Timestamp::from_millisecond(ms).unwrap();
            let text = format!("{moment:.9}");
            let text = format!("{}{nanos:06}Z", &text[..text.len() - 7]);
            let expected: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(expected.as_nanosecond().div_euclid(1_000_000), i128::from(ms));
            prop_assert_eq!(parse_time(&text), Some(ms));
            prop_assert_eq!(format_time(ms), format!("{moment:.3}"));
        }

        #[test]
        fn offsets_agree_with_jiff(ms in 0_i64..4_000_000_000_000, minutes in -1_439_i32..1_439) {
            let zone = jiff::tz::Offset::from_seconds(minutes * 60).unwrap().to_time_zone();
            let zoned = jiff::Timestamp::from_millisecond(ms).unwrap().to_zoned(zone);
            let text = zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
            prop_assert_eq!(parse_time(&text), Some(ms));
        }

        #[test]
        fn accepts_no_text_that_jiff_refuses(text in "[0-9]{4}-[0-1][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
            if let Some(ms) = parse_time(&text) {
                let theirs: jiff::Timestamp = text.parse().unwrap();
                prop_assert_eq!(theirs.as_nanosecond().div_euclid(1_000_000), i128::from(ms));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = parse_time(&text);
        }
    }
}
