//! Planted fraud: when campaigns run, and what they add to a minute.

mod irsf;
mod robocall;
mod sim_box;
mod wangiri;

use std::fmt;

use smol_str::SmolStr;

use crate::call::GeneratedCall;
use crate::config::{Config, DAY_MS, HOUR_MS, MINUTE_MS};
use crate::countries::{COUNTRIES, Country, HIGH_RISK_FROM, Series};
use crate::dice::{Dice, Purpose, Streams};
use crate::label::{Label, Role, Scheme};
use crate::population::{BLOCK_SIZE, Population};

/// One campaign of one scheme.
#[derive(Debug)]
pub(crate) struct Campaign {
    scheme: Scheme,
    number: u32,
    start_ms: i64,
    end_ms: i64,
    streams: Streams,
    actor: Box<dyn Actor>,
}

/// What a campaign does.
trait Actor: fmt::Debug + Send + Sync {
    /// Appends the calls that begin in one minute, in no order.
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>);

    /// The numbers that take part.
    fn numbers(&self) -> Vec<(SmolStr, Role)>;
}

/// A minute of a campaign.
struct Moment<'a> {
    population: &'a Population,
    /// When the minute begins.
    start_ms: i64,
    /// Minutes since the campaign began.
    age: u64,
}

impl Moment<'_> {
    /// Some time within the minute.
    fn any_ms(&self, dice: &mut Dice) -> i64 {
        self.start_ms + dice.below(MINUTE_MS as u64) as i64
    }
}

/// Every campaign of a configuration.
pub(crate) fn plan(config: &Config, population: &Population) -> Vec<Campaign> {
    let mut campaigns = Vec::new();
    for scheme in Scheme::ALL {
        let plans = Streams::new(config.seed, Purpose::CampaignPlan, scheme as u64);
        for number in 0..config.campaigns_per_scheme {
            let mut dice = plans.stream(number.into());
            let (start_ms, end_ms) = when(config, scheme, number, &mut dice);
            let actor: Box<dyn Actor> = match scheme {
                Scheme::Wangiri => Box::new(wangiri::Wangiri::plan(population, &mut dice)),
                Scheme::Irsf => Box::new(irsf::Irsf::plan(population, &mut dice)),
                // Every second one calls neighbours from their own block.
                Scheme::Robocall => Box::new(robocall::Robocall::plan(population, number % 2 == 1, &mut dice)),
                Scheme::SimBox => Box::new(sim_box::SimBox::plan(population, &mut dice)),
            };
            let part = (scheme as u64) << 32 | u64::from(number);
            let streams = Streams::new(config.seed, Purpose::Campaign, part);
            campaigns.push(Campaign { scheme, number, start_ms, end_ms, streams, actor });
        }
    }
    campaigns
}

impl Campaign {
    /// Appends the calls that begin in a minute (counted since 1970), in no order.
    pub(crate) fn fill(&self, population: &Population, minute: i64, calls: &mut Vec<GeneratedCall>) {
        let start_ms = minute * MINUTE_MS;
        if start_ms < self.start_ms || start_ms >= self.end_ms {
            return;
        }
        let age = ((start_ms - self.start_ms) / MINUTE_MS) as u64;
        let mut dice = self.streams.stream(minute as u64);
        self.actor.fill(&Moment { population, start_ms, age }, &mut dice, calls);
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = Label> {
        self.actor.numbers().into_iter().map(|(number, role)| Label {
            scheme: self.scheme,
            campaign: self.number,
            number,
            role,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
        })
    }
}

/// When a campaign begins, at a full minute, and when it ends.
fn when(config: &Config, scheme: Scheme, number: u32, dice: &mut Dice) -> (i64, i64) {
    let from_ms = config.start_ms();
    if number == 0 {
        let minutes = if scheme == Scheme::SimBox { dice.between(360, 720) } else { dice.between(60, 110) };
        let start_ms = floor_to_minute(config.end_ms - minutes * MINUTE_MS);
        return (start_ms.max(from_ms), config.end_ms);
    }
    let period_ms = config.end_ms - from_ms;
    let minutes = match scheme {
        Scheme::Wangiri => dice.between(90, 180),
        Scheme::Irsf => dice.between(60, 300),
        Scheme::Robocall => dice.between(60, 180),
        Scheme::SimBox => dice.between(1_440, 4_320),
    };
    let length_ms = (minutes * MINUTE_MS).min(period_ms / 4);
    let room_ms = (period_ms - length_ms - 3 * HOUR_MS).max(0);
    let earlier = f64::from(config.campaigns_per_scheme - 1);
    let place = (f64::from(number - 1) + dice.unit()) / earlier;
    let mut start_ms = floor_to_minute(from_ms + (room_ms as f64 * place) as i64);
    if scheme == Scheme::Irsf {
        // Nobody is in the office.
        let night_ms = start_ms.div_euclid(DAY_MS) * DAY_MS + dice.between(0, 180) * MINUTE_MS;
        start_ms = night_ms.min(floor_to_minute(from_ms + room_ms));
    }
    (start_ms, start_ms + length_ms)
}

fn floor_to_minute(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS) * MINUTE_MS
}

/// A country of the high-risk list.
fn high_risk_country(dice: &mut Dice) -> &'static Country {
    &COUNTRIES[dice.between(HIGH_RISK_FROM as i64, COUNTRIES.len() as i64 - 1) as usize]
}

/// `count` different numbers of one block of a series.
fn numbers_of_a_block(country: &Country, series: Series, block: u64, count: u64, dice: &mut Dice) -> Vec<SmolStr> {
    let step = BLOCK_SIZE / count;
    let first = dice.below(step);
    (0..count).map(|place| country.number(series, block * BLOCK_SIZE + first + place * step)).collect()
}

/// Some other number than a caller's, of a subscriber or not.
fn anybody(population: &Population, country: &Country, dice: &mut Dice) -> SmolStr {
    if dice.chance(0.3) {
        let id = dice.below(population.len().into()) as u32;
        let subscriber = population.subscriber(id);
        if subscriber.country().region == country.region {
            return subscriber.number.clone();
        }
    }
    country.any_number(dice.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(days: u32, end_ms: i64) -> Config {
        Config { campaigns_per_scheme: 5, ..Config::new(11, end_ms, days, 500) }
    }

    #[test]
    fn one_of_each_scheme_runs_to_the_end_and_the_others_are_over_before() {
        let config = config(30, 1_795_273_200_123);
        let population = Population::new(&config);
        for campaign in plan(&config, &population) {
            let label = format!("{} {}", campaign.scheme, campaign.number);
            assert!(campaign.start_ms >= config.start_ms() && campaign.start_ms < campaign.end_ms, "{label}");
            if campaign.number == 0 {
                assert_eq!(campaign.end_ms, config.end_ms, "{label}");
                assert!(campaign.start_ms <= config.end_ms - HOUR_MS, "{label}");
            } else {
                assert!(campaign.end_ms <= config.end_ms - 2 * HOUR_MS, "{label}");
            }
        }
    }

    #[test]
    fn campaigns_fit_the_shortest_period() {
        // Ten minutes past midnight: the only day has ten minutes.
        let config = config(1, 1_795_219_200_000 + 10 * MINUTE_MS);
        let population = Population::new(&config);
        for campaign in plan(&config, &population) {
            assert!(campaign.start_ms >= config.start_ms());
            assert!(campaign.end_ms <= config.end_ms);
        }
    }
}
