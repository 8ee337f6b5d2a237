//! When people call: the hours of a day and the days of a week.

use crate::population::Kind;

/// Hours of a week, the first being Monday 00:00.
pub(crate) const WEEK_HOURS: i64 = 168;

/// How much a subscriber of a kind calls in one local hour of the week, against its other hours.
pub(crate) fn weight(kind: Kind, hour_of_week: i64) -> f64 {
    let hour = (hour_of_week % 24) as usize;
    let weekday = hour_of_week / 24;
    let (hours, saturday, sunday) = match kind {
        Kind::Mobile => (&PERSON_HOURS, 1.05, 0.9),
        Kind::Landline => (&HOME_HOURS, 1.0, 1.1),
        Kind::Office => (&OFFICE_HOURS, 0.12, 0.05),
        Kind::CallCentre => (&CALL_CENTRE_HOURS, 0.5, 0.1),
        Kind::Dialler => (&DIALLER_HOURS, 0.4, 0.0),
        Kind::Dispatch => (&DISPATCH_HOURS, 1.5, 1.2),
    };
    let of_day = match weekday {
        5 => saturday,
        6 => sunday,
        _ => 1.0,
    };
    f64::from(hours[hour]) * of_day
}

/// The share of an average day's calls of a kind that an hour of the week has.
pub(crate) fn share_of_a_day(kind: Kind, hour_of_week: i64) -> f64 {
    let week: f64 = (0..WEEK_HOURS).map(|hour| weight(kind, hour)).sum();
    7.0 * weight(kind, hour_of_week) / week
}

/// The hour of the week, UTC, that a moment is in.
pub(crate) fn hour_of_week(ms: i64) -> i64 {
    // 1970-01-01 was a Thursday: three days after a Monday.
    (ms.div_euclid(3_600_000) + 3 * 24).rem_euclid(WEEK_HOURS)
}

const PERSON_HOURS: [u8; 24] =
    [8, 5, 3, 2, 2, 4, 12, 30, 48, 55, 58, 62, 68, 62, 60, 62, 70, 84, 96, 100, 88, 66, 40, 18];
const HOME_HOURS: [u8; 24] =
    [3, 2, 1, 1, 1, 2, 6, 18, 40, 62, 70, 66, 55, 50, 58, 64, 72, 86, 100, 98, 80, 45, 18, 6];
const OFFICE_HOURS: [u8; 24] = [1, 1, 1, 1, 1, 2, 6, 28, 72, 98, 100, 94, 62, 78, 98, 96, 84, 52, 22, 10, 5, 3, 2, 1];
const CALL_CENTRE_HOURS: [u8; 24] =
    [0, 0, 0, 0, 0, 0, 0, 0, 30, 90, 100, 100, 80, 90, 100, 100, 95, 90, 80, 60, 20, 0, 0, 0];
/// A day's work on the phone, and the evenings on which people are at home.
const DIALLER_HOURS: [u8; 24] =
    [0, 0, 0, 0, 0, 0, 0, 0, 20, 90, 100, 95, 70, 80, 95, 95, 90, 100, 100, 70, 10, 0, 0, 0];
const DISPATCH_HOURS: [u8; 24] =
    [70, 60, 50, 35, 25, 30, 45, 60, 70, 55, 50, 50, 55, 55, 55, 60, 70, 85, 90, 90, 90, 95, 100, 85];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        // 2026-11-21T07:06:05Z, a Saturday.
        assert_eq!(hour_of_week(1_795_244_765_004), 5 * 24 + 7);
        assert_eq!(hour_of_week(0), 3 * 24);
        assert_eq!(hour_of_week(-1), 3 * 24 - 1);
    }

    #[test]
    fn offices_rest_at_night_and_on_sundays() {
        assert!(weight(Kind::Office, 10) > 50.0 * weight(Kind::Office, 2));
        assert!(weight(Kind::Office, 10) > 10.0 * weight(Kind::Office, 6 * 24 + 10));
        assert!(weight(Kind::Mobile, 19) > weight(Kind::Mobile, 10));
    }
}
