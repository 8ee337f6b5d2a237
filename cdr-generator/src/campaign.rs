//! Planted fraud: which campaigns there are, and what they add to a minute.

mod irsf;
mod pbx_hack;
mod premium;
mod robocall;
mod schedule;
mod sim_box;
mod strength;
mod subscription_fraud;
mod wangiri;

use std::fmt;

use smol_str::SmolStr;

use crate::call::GeneratedCall;
use crate::config::{Config, MINUTE_MS};
use crate::countries::{Country, Series};
use crate::dice::{Dice, Purpose, Streams};
use crate::label::{Label, Role, Scheme};
use crate::population::{BLOCK_SIZE, Population};
pub(crate) use strength::Strength;

/// One campaign of one scheme.
#[derive(Debug)]
pub(crate) struct Campaign {
    scheme: Scheme,
    number: u32,
    strength: Strength,
    /// When its numbers first call: before the fraud, where they lie in wait.
    awake_ms: i64,
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

    /// Standard time where those sit who must not notice, in hours east of Greenwich.
    fn utc_offset_hours(&self) -> i64 {
        0
    }

    /// For how many days before the fraud its numbers place calls.
    fn quiet_days(&self) -> i64 {
        0
    }
}

/// What a campaign is planned from.
struct Plan<'a> {
    population: &'a Population,
    strength: Strength,
    /// Tells the campaigns of all schemes apart: which unused numbers are theirs.
    ordinal: u64,
}

/// A minute of a campaign.
struct Moment<'a> {
    population: &'a Population,
    /// When the minute begins.
    start_ms: i64,
    /// Minutes since the fraud began; negative before.
    age: i64,
    /// Minutes that the fraud takes.
    length: i64,
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
            let strength = Strength::of(number, config.strength);
            let ordinal = u64::from(number) * Scheme::ALL.len() as u64 + scheme as u64;
            let actor = actor(scheme, number, &Plan { population, strength, ordinal }, &mut dice);
            let (start_ms, end_ms) = schedule::when(config, scheme, number, actor.utc_offset_hours(), &mut dice);
            let awake_ms = schedule::awake(config, start_ms, actor.quiet_days());
            let part = (scheme as u64) << 32 | u64::from(number);
            let streams = Streams::new(config.seed, Purpose::Campaign, part);
            campaigns.push(Campaign { scheme, number, strength, awake_ms, start_ms, end_ms, streams, actor });
        }
    }
    campaigns
}

fn actor(scheme: Scheme, number: u32, plan: &Plan, dice: &mut Dice) -> Box<dyn Actor> {
    match scheme {
        Scheme::Wangiri => Box::new(wangiri::Wangiri::plan(plan, dice)),
        Scheme::Irsf => Box::new(irsf::Irsf::plan(plan, dice)),
        // Every second one calls neighbours from their own block; those of one strength take turns.
        Scheme::Robocall => Box::new(robocall::Robocall::plan(plan, (number + number / 4) % 2 == 1, dice)),
        Scheme::SimBox => Box::new(sim_box::SimBox::plan(plan, dice)),
        Scheme::PbxHack => Box::new(pbx_hack::PbxHack::plan(plan, dice)),
        Scheme::SubscriptionFraud => Box::new(subscription_fraud::SubscriptionFraud::plan(plan, dice)),
    }
}

impl Campaign {
    /// Appends the calls that begin in a minute (counted since 1970), in no order.
    pub(crate) fn fill(&self, population: &Population, minute: i64, calls: &mut Vec<GeneratedCall>) {
        let start_ms = minute * MINUTE_MS;
        if start_ms < self.awake_ms || start_ms >= self.end_ms {
            return;
        }
        let minutes = |ms: i64| ms.div_euclid(MINUTE_MS);
        let (age, length) = (minutes(start_ms - self.start_ms), minutes(self.end_ms - self.start_ms));
        let mut dice = self.streams.stream(minute as u64);
        self.actor.fill(&Moment { population, start_ms, age, length }, &mut dice, calls);
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = Label> {
        self.actor.numbers().into_iter().map(|(number, role)| Label {
            scheme: self.scheme,
            campaign: self.number,
            number,
            role,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            strength: self.strength.value(),
        })
    }
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
    use std::collections::HashSet;

    use super::*;
    use crate::config::HOUR_MS;

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
    fn whoever_calls_in_a_campaign_is_labelled_or_calls_a_labelled_number() {
        let config = config(30, 1_795_273_200_000);
        let population = Population::new(&config);
        for campaign in plan(&config, &population) {
            let labels: Vec<Label> = campaign.labels().collect();
            let of = |role| -> HashSet<SmolStr> {
                let labels = labels.iter().filter(|label| label.role == role);
                labels.map(|label| label.number.clone()).collect()
            };
            let (callers, callees) = (of(Role::Caller), of(Role::Callee));
            let what = format!("{} {}", campaign.scheme, campaign.number);
            assert_eq!(callers.len() + callees.len(), labels.len(), "{what}: a number twice");
            let mut seen = HashSet::new();
            let mut calls = Vec::new();
            for minute in campaign.start_ms / MINUTE_MS..campaign.end_ms / MINUTE_MS {
                campaign.fill(&population, minute, &mut calls);
            }
            assert!(!calls.is_empty(), "{what}");
            for call in calls {
                let (from, to) = (callers.contains(&call.caller), callees.contains(&call.callee));
                assert!(from || to, "{what}: {call:?}");
                seen.extend([call.caller, call.callee]);
            }
            // Of the many numbers of a weak campaign some have no turn.
            let silent = callers.iter().filter(|number| !seen.contains(*number)).count();
            assert!(silent * 3 <= callers.len(), "{what}: {silent} of {} never call", callers.len());
        }
    }

    #[test]
    fn new_numbers_call_before_their_fraud_and_nobody_else_does() {
        let config = config(30, 1_795_273_200_000);
        let population = Population::new(&config);
        for campaign in plan(&config, &population) {
            let lies_in_wait = campaign.awake_ms < campaign.start_ms;
            assert_eq!(lies_in_wait, campaign.scheme == Scheme::SubscriptionFraud, "{}", campaign.scheme);
            let mut before = Vec::new();
            for minute in campaign.awake_ms / MINUTE_MS - 60..campaign.start_ms / MINUTE_MS {
                campaign.fill(&population, minute, &mut before);
            }
            assert_eq!(before.is_empty(), !lies_in_wait);
            // At home, to a few acquaintances.
            assert!(before.iter().all(|call| call.cost_micros.is_none() && call.trunk.is_none()));
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
