//! Randomness: `ChaCha8` streams named by what they are for, and the distributions drawn from them.
//!
//! Nothing here depends on the platform or on another crate's choice of algorithm, the cipher aside, so that
//! a seed keeps its meaning.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of randomness is for: two purposes never share one. The numbers are part of what a seed means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Facts about subscribers, one stream a subscriber.
    Subscriber = 1,
    /// Ordinary traffic, one stream a minute.
    Ordinary = 2,
    /// Where and when campaigns run, one stream a campaign.
    CampaignPlan = 3,
    /// What a campaign does, one stream a minute of a campaign.
    Campaign = 4,
    /// When records arrive: what is mixed with the call's name.
    Delivery = 5,
}

/// The streams of one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    unread: ChaCha8Rng,
}

impl Streams {
    /// Streams for `purpose`; `part` tells apart what has several families of streams, such as campaigns.
    pub(crate) fn new(seed: u64, purpose: Purpose, part: u64) -> Self {
        let mut key = [0; 32];
        key[0..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key[16..24].copy_from_slice(&part.to_le_bytes());
        Self { unread: ChaCha8Rng::from_seed(key) }
    }

    /// The stream of one minute, subscriber or campaign, from its beginning.
    pub(crate) fn stream(&self, number: u64) -> Dice {
        let mut rng = self.unread.clone();
        rng.set_stream(number);
        Dice { source: Source::Cipher(rng) }
    }
}

/// One stream of randomness.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    source: Source,
}

// Few exist at a time, and none is kept: a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
enum Source {
    Cipher(ChaCha8Rng),
    /// `SplitMix64`: a few draws for each of many things, where setting the cipher up would cost more than all else.
    Counter(u64),
}

impl Dice {
    /// The few draws that decide about one thing.
    pub(crate) const fn of(thing: u64) -> Self {
        Self { source: Source::Counter(thing) }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        match &mut self.source {
            Source::Cipher(rng) => rng.next_u64(),
            Source::Counter(count) => {
                *count = count.wrapping_add(0x9E37_79B9_7F4A_7C15);
                mix(*count, 0)
            }
        }
    }

    /// Uniform in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        scale(self.bits(), bound)
    }

    /// Uniform in `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// One of `choices`, which is not empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        // 1 - unit is never 0, and the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Log-normal with the given median; `spread` is the standard deviation of its logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        median * libm::exp(spread * self.normal())
    }

    /// Log-uniform in `low..high`, both above 0: as likely between 1 and 10 as between 10 and 100.
    pub(crate) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        low * libm::pow(high / low, self.unit())
    }

    /// Poisson. From a mean of 30 on by the rounded normal, which nobody can tell apart there.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean >= 30.0 {
            return libm::round(mean + mean.sqrt() * self.normal()).max(0.0) as u64;
        }
        let floor = libm::exp(-mean);
        let mut count = 0;
        let mut product = self.unit();
        while product > floor {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

/// A number of 64 well mixed bits from two others (the finaliser of `SplitMix64`): facts that are looked up
/// rather than kept, such as the tenth contact of a subscriber.
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// `0.0..1.0` from 64 bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// `0..bound` from 64 bits; 0 where `bound` is 0.
pub(crate) fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice() -> Dice {
        Streams::new(7, Purpose::Ordinary, 0).stream(1)
    }

    #[test]
    fn streams_differ_by_seed_purpose_part_and_number() {
        let first = |seed, purpose, part, number| Streams::new(seed, purpose, part).stream(number).bits();
        let base = first(7, Purpose::Ordinary, 0, 1);
        assert_eq!(base, first(7, Purpose::Ordinary, 0, 1));
        assert_ne!(base, first(8, Purpose::Ordinary, 0, 1));
        assert_ne!(base, first(7, Purpose::Delivery, 0, 1));
        assert_ne!(base, first(7, Purpose::Ordinary, 1, 1));
        assert_ne!(base, first(7, Purpose::Ordinary, 0, 2));
    }

    #[test]
    fn a_seed_keeps_its_meaning() {
        // These are what version 0.1.0 drew: a change here changes every data set that anybody kept a seed of.
        let mut dice = dice();
        assert_eq!(dice.bits(), FIRST_BITS);
        assert_eq!(mix(1, 2), MIXED);
    }
    const FIRST_BITS: u64 = 18_244_532_872_246_945_398;
    const MIXED: u64 = 9_401_273_514_503_674_137;

    #[test]
    fn bounds_hold() {
        let mut dice = dice();
        for _ in 0..10_000 {
            assert!(dice.below(3) < 3);
            assert!((-2..=2).contains(&dice.between(-2, 2)));
            assert!((2.0..50.0).contains(&dice.log_uniform(2.0, 50.0)));
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(scale(u64::MAX, 10), 9);
        assert!(unit(u64::MAX) < 1.0);
    }

    #[test]
    fn means_are_as_asked() {
        let mut dice = dice();
        let mut mean_of =
            |draw: &dyn Fn(&mut Dice) -> f64| (0..20_000).map(|_| draw(&mut dice)).sum::<f64>() / 20_000.0;
        for wanted in [0.2, 5.0, 80.0] {
            let mean = mean_of(&|dice| dice.poisson(wanted) as f64);
            assert!((mean - wanted).abs() < 0.05 * wanted, "{mean} for {wanted}");
        }
        let normal = mean_of(&Dice::normal);
        assert!(normal.abs() < 0.03, "{normal}");
        let below_median = mean_of(&|dice| f64::from(u8::from(dice.log_normal(60.0, 1.3) < 60.0)));
        assert!((below_median - 0.5).abs() < 0.02, "{below_median}");
    }
}
