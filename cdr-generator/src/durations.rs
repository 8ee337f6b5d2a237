//! How long things take: tables of quantiles, drawn from in constant time. Where the parameters come from is in this
//! package's README.

use std::sync::LazyLock;

use crate::config::HOUR_MS;
use crate::dice::{Dice, unit};
use crate::population::Kind;

/// Switches cut a call after some hours.
pub(crate) const LONGEST_TALK_MS: i64 = 4 * HOUR_MS;

/// Time in conversation, by what the caller is.
pub(crate) fn talk_ms(kind: Kind, dice: &mut Dice) -> i64 {
    let table = match kind {
        Kind::Mobile => &TABLES.mobile,
        Kind::Landline => &TABLES.landline,
        Kind::Office => &TABLES.office,
        Kind::CallCentre => &TABLES.call_centre,
        Kind::Dialler => &TABLES.dialler,
        Kind::Dispatch => &TABLES.dispatch,
    };
    (table.draw(dice) as i64).clamp(400, LONGEST_TALK_MS)
}

/// Ringing until somebody picks up.
pub(crate) fn answer_ms(dice: &mut Dice) -> i64 {
    (TABLES.answer.draw(dice) as i64).clamp(500, 60_000)
}

/// Ringing until the caller gives up.
pub(crate) fn patience_ms(dice: &mut Dice) -> i64 {
    (TABLES.patience.draw(dice) as i64).clamp(800, 60_000)
}

/// From sending a message to its delivery.
pub(crate) fn message_ms(dice: &mut Dice) -> i64 {
    (TABLES.message.draw(dice) as i64).clamp(80, 120_000)
}

/// From the end of a call to the arrival of its record, where nothing holds it up.
pub(crate) fn travel_ms(bits: u64) -> i64 {
    TABLES.travel.at(bits) as i64
}

struct Tables {
    mobile: Quantiles,
    landline: Quantiles,
    office: Quantiles,
    call_centre: Quantiles,
    dialler: Quantiles,
    dispatch: Quantiles,
    answer: Quantiles,
    patience: Quantiles,
    message: Quantiles,
    travel: Quantiles,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let log_normal = |median_ms, spread| Quantiles::new(Shape::LogNormal { median_ms, spread });
    Tables {
        mobile: Quantiles::new(Shape::LogLogistic { median_ms: 67_400.0, steepness: 1.4 }),
        landline: log_normal(110_000.0, 1.3),
        office: log_normal(95_000.0, 1.05),
        call_centre: log_normal(120_000.0, 1.0),
        dialler: log_normal(40_000.0, 1.2),
        dispatch: log_normal(25_000.0, 0.6),
        answer: log_normal(7_000.0, 0.5),
        patience: log_normal(11_000.0, 0.6),
        message: log_normal(900.0, 0.8),
        travel: log_normal(700.0, 0.5),
    }
});

/// A family of distributions and its parameters.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// `spread` is the standard deviation of the logarithm.
    LogNormal { median_ms: f64, spread: f64 },
    /// Cut off at [`LONGEST_TALK_MS`], as in Vaz de Melo et al. (2010).
    LogLogistic { median_ms: f64, steepness: f64 },
}

impl Shape {
    /// The value that a share of `share` lies below.
    fn quantile(self, share: f64) -> f64 {
        match self {
            Self::LogNormal { median_ms, spread } => median_ms * libm::exp(spread * normal_quantile(share)),
            Self::LogLogistic { median_ms, steepness } => {
                let odds_at_the_cut = libm::pow(LONGEST_TALK_MS as f64 / median_ms, steepness);
                let share = share * odds_at_the_cut / (1.0 + odds_at_the_cut);
                median_ms * libm::pow(share / (1.0 - share), 1.0 / steepness)
            }
        }
    }
}

/// A distribution as values at equal steps of probability, and straight lines between them. The first and the last
/// step, where lines would miss the tail, are computed.
struct Quantiles {
    shape: Shape,
    values: Vec<f64>,
}

const STEPS_LOG2: u32 = 11;
const STEPS: usize = 1 << STEPS_LOG2;

impl Quantiles {
    fn new(shape: Shape) -> Self {
        let inner = |step: usize| shape.quantile(step as f64 / STEPS as f64);
        let values = (0..=STEPS).map(|step| if step == 0 || step == STEPS { 0.0 } else { inner(step) });
        Self { shape, values: values.collect() }
    }

    fn draw(&self, dice: &mut Dice) -> f64 {
        self.at(dice.bits())
    }

    /// The value that `bits` stand for.
    fn at(&self, bits: u64) -> f64 {
        let step = (bits >> (64 - STEPS_LOG2)) as usize;
        if step == 0 || step == STEPS - 1 {
            // A step inside at either end: the quantiles of 0 and 1 are not finite.
            const END: f64 = 1.0 / (1_u64 << 50) as f64;
            return self.shape.quantile(unit(bits).clamp(END, 1.0 - END));
        }
        let (low, high) = (self.values[step], self.values[step + 1]);
        low + (high - low) * unit(bits << STEPS_LOG2)
    }
}

/// The value that a standard normal variable lies below with probability `share`: P. J. Acklam's rational
/// approximation (2003), of relative error below 1.15e-9.
fn normal_quantile(share: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    const TAIL: f64 = 0.024_25;
    let poly = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    if share > 1.0 - TAIL {
        return -normal_quantile(1.0 - share);
    }
    if share < TAIL {
        let q = (-2.0 * libm::log(share)).sqrt();
        return poly(&C, q) / (poly(&D, q) * q + 1.0);
    }
    let q = share - 0.5;
    let r = q * q;
    poly(&A, r) * q / (poly(&B, r) * r + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::{Purpose, Streams};

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (share, wanted) in
            [(0.5, 0.0), (0.975, 1.959_963_984_5), (0.001, -3.090_232_306_2), (0.6, 0.253_347_103_1)]
        {
            assert!((normal_quantile(share) - wanted).abs() < 1e-8, "{share}: {}", normal_quantile(share));
        }
    }

    #[test]
    fn lines_between_quantiles_follow_the_distribution() {
        let shapes = [
            Shape::LogNormal { median_ms: 95_000.0, spread: 1.05 },
            Shape::LogLogistic { median_ms: 67_400.0, steepness: 1.4 },
        ];
        for shape in shapes {
            let table = Quantiles::new(shape);
            for step in 1..20_000_u64 {
                let bits = step * (u64::MAX / 20_000);
                let (is, wanted) = (table.at(bits), shape.quantile(unit(bits)));
                assert!((is / wanted - 1.0).abs() < 0.12, "{shape:?} at {}: {is}, not {wanted}", unit(bits));
                if (0.01..0.99).contains(&unit(bits)) {
                    assert!((is / wanted - 1.0).abs() < 0.002, "{shape:?} at {}: {is}, not {wanted}", unit(bits));
                }
            }
            assert!(table.at(0) > 0.0 && table.at(u64::MAX).is_finite());
        }
    }

    #[test]
    fn mobile_calls_are_as_short_and_as_long_as_ofcom_found_them() {
        let mut dice = Streams::new(3, Purpose::Ordinary, 0).stream(0);
        let talks: Vec<i64> = (0..100_000).map(|_| talk_ms(Kind::Mobile, &mut dice)).collect();
        let below = |ms: i64| talks.iter().filter(|talk| **talk < ms).count() as f64 / 100_000.0;
        assert!((below(90_000) - 0.60).abs() < 0.01, "{}", below(90_000));
        assert!(below(300_000) > 0.80, "{}", below(300_000));
        assert!(talks.iter().all(|talk| (400..=LONGEST_TALK_MS).contains(talk)));
    }
}
