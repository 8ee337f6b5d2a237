//! Whom subscribers call: people they know, a few of them most of the time, and strangers.

use smol_str::{SmolStr, format_smolstr};

use crate::countries::{COUNTRIES, Country, HOMES};
use crate::dice::{Dice, mix, scale, unit};
use crate::population::{Fact, Kind, Population};

/// The other end of a call.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) number: SmolStr,
    /// Where it is; `None` for short codes and extensions.
    pub(crate) country: Option<&'static Country>,
}

impl Population {
    /// Whom a subscriber calls: mostly somebody it has called before, and few of those most of the time.
    pub(crate) fn pick_callee(&self, caller: u32, dice: &mut Dice) -> Callee {
        let subscriber = self.subscriber(caller);
        let what = dice.unit();
        if what < 0.01 {
            let home = subscriber.country();
            return Callee {
                number: format_smolstr!("short:{}:{}", home.calling_code, home.short_code),
                country: None,
            };
        }
        let stranger_share = if subscriber.kind == Kind::CallCentre { 0.7 } else { 0.08 };
        let bits = if what < 0.01 + stranger_share { dice.bits() } else { self.contact(caller, dice) };
        self.number_known_as(caller, bits)
    }

    /// One of the caller's contacts, the first of them far more often than the last.
    fn contact(&self, caller: u32, dice: &mut Dice) -> u64 {
        let facts = self.of(caller, Fact::Contacts);
        let contacts = 6 + scale(mix(facts, 1), 55);
        let rank = dice.log_uniform(1.0, (contacts + 1) as f64) as u64;
        mix(facts, 1 + rank)
    }

    /// The number that `bits` stand for among all that a caller may call.
    fn number_known_as(&self, caller: u32, bits: u64) -> Callee {
        let home = self.subscriber(caller).country;
        let international = unit(mix(bits, 1)) < self.international_share;
        let country = if international { called_country(home, mix(bits, 2)) } else { usize::from(home) };
        let neighbours: &[u32] = self.of_country.get(country).map_or(&[], Vec::as_slice);
        if unit(mix(bits, 3)) < OWN_SUBSCRIBER_SHARE && neighbours.len() > 1 {
            let id = neighbours[scale(mix(bits, 4), neighbours.len() as u64) as usize];
            if id != caller {
                return Callee { number: self.subscriber(id).number.clone(), country: Some(&COUNTRIES[country]) };
            }
        }
        Callee { number: COUNTRIES[country].any_number(bits), country: Some(&COUNTRIES[country]) }
    }
}

/// How many of the people one calls are subscribers too.
const OWN_SUBSCRIBER_SHARE: f64 = 0.7;

/// Where a call abroad goes.
fn called_country(home: u8, bits: u64) -> usize {
    let abroad = || COUNTRIES.iter().enumerate().filter(|(place, _)| *place != usize::from(home));
    let total: f64 = abroad().map(|(_, country)| country.called).sum();
    let mut left = unit(bits) * total;
    for (place, country) in abroad() {
        left -= country.called;
        if left < 0.0 {
            return place;
        }
    }
    HOMES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;
    use crate::config::Config;
    use crate::dice::{Purpose, Streams};

    #[test]
    fn a_few_contacts_get_most_calls() {
        let population = Population::new(&Config::new(3, 1_795_219_200_000, 7, 5_000));
        let mobile = population.find(0, |subscriber| subscriber.kind == Kind::Mobile).unwrap();
        let mut dice = Streams::new(1, Purpose::Ordinary, 0).stream(0);
        let mut calls: HashMap<SmolStr, u32> = HashMap::new();
        for _ in 0..2_000 {
            *calls.entry(population.pick_callee(mobile, &mut dice).number).or_default() += 1;
        }
        let mut counts: Vec<u32> = calls.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: u32 = counts[..5].iter().sum();
        assert!((600..1_600).contains(&top), "{top} of 2000 to the five most called");
        assert!(counts.len() > 100, "{} different", counts.len());
    }
}
