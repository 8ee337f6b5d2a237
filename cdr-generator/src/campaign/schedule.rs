//! When campaigns run.

use crate::config::{Config, DAY_MS, HOUR_MS, MINUTE_MS};
use crate::dice::Dice;
use crate::label::Scheme;

/// When the fraud of a campaign begins, at a full minute, and when it ends. The first campaign of a scheme runs to the
/// end of the period, the others are spread over the time before. `utc_offset_hours` is where nobody must be awake.
pub(super) fn when(
    config: &Config,
    scheme: Scheme,
    number: u32,
    utc_offset_hours: i64,
    dice: &mut Dice,
) -> (i64, i64) {
    let from_ms = config.start_ms();
    if number == 0 {
        let minutes = match scheme {
            Scheme::SimBox | Scheme::SubscriptionFraud => dice.between(360, 720),
            Scheme::PbxHack => dice.between(90, 240),
            _ => dice.between(60, 110),
        };
        let start_ms = floor_to_minute(config.end_ms - minutes * MINUTE_MS);
        return (start_ms.max(from_ms), config.end_ms);
    }
    let period_ms = config.end_ms - from_ms;
    let minutes = match scheme {
        Scheme::Wangiri => dice.between(90, 180),
        Scheme::Irsf => dice.between(60, 300),
        Scheme::Robocall => dice.between(60, 180),
        Scheme::SimBox => dice.between(1_440, 4_320),
        Scheme::PbxHack => dice.between(150, 480),
        Scheme::SubscriptionFraud => dice.between(720, 2_880),
    };
    let length_ms = (minutes * MINUTE_MS).min(period_ms / 4);
    let room_ms = (period_ms - length_ms - 3 * HOUR_MS).max(0);
    let earlier = f64::from(config.campaigns_per_scheme - 1);
    let place = (f64::from(number - 1) + dice.unit()) / earlier;
    let mut start_ms = floor_to_minute(from_ms + (room_ms as f64 * place) as i64);
    let last_ms = floor_to_minute(from_ms + room_ms);
    if scheme == Scheme::PbxHack {
        let weekend = dice.chance(0.5);
        let offset_ms = utc_offset_hours * HOUR_MS;
        let mut local_day = (start_ms + offset_ms).div_euclid(DAY_MS);
        // 1970-01-01 was a Thursday: day 2 was a Saturday.
        let until_saturday = (2 - local_day).rem_euclid(7);
        if weekend && (local_day + until_saturday + 1) * DAY_MS - offset_ms <= last_ms {
            local_day += until_saturday;
        }
        start_ms = local_day * DAY_MS - offset_ms + dice.between(0, 180) * MINUTE_MS;
    } else if scheme == Scheme::Irsf {
        start_ms = start_ms.div_euclid(DAY_MS) * DAY_MS + dice.between(0, 180) * MINUTE_MS;
    }
    let start_ms = start_ms.clamp(from_ms, last_ms);
    (start_ms, start_ms + length_ms)
}

/// When the numbers of a campaign first call, so many days before the fraud.
pub(super) fn awake(config: &Config, start_ms: i64, quiet_days: i64) -> i64 {
    (start_ms - quiet_days * DAY_MS).max(config.start_ms())
}

fn floor_to_minute(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS) * MINUTE_MS
}
