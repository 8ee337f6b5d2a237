//! The generator: any stretch of the period, minute by minute.

use std::vec;

use crate::call::GeneratedCall;
use crate::campaign::{self, Campaign};
use crate::config::{Config, ConfigError, DAY_MS, MINUTE_MS};
use crate::label::Label;
use crate::ordinary::Ordinary;
use crate::population::Population;
use crate::text::Text;

/// Makes the calls of a configuration. Each minute is made from nothing but the seed and its number, so any
/// stretch can be had alone, and memory follows the subscribers and the calls of a minute, not the period.
#[derive(Debug)]
pub struct Generator {
    config: Config,
    population: Population,
    ordinary: Ordinary,
    campaigns: Vec<Campaign>,
}

impl Generator {
    /// Settles who the subscribers are and which campaigns run. Fails if the configuration asks for what cannot
    /// be.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let population = Population::new(&config);
        let campaigns = campaign::plan(&config, &population);
        Ok(Self { ordinary: Ordinary::new(&config), population, campaigns, config })
    }

    /// What is generated.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How many UTC days there are; the last may be cut short by the end of the period.
    pub const fn days(&self) -> u32 {
        self.config.days
    }

    /// A day of the period, counted from 0, as days since 1970 UTC.
    pub const fn day_number(&self, day: u32) -> i32 {
        (self.config.start_ms() / DAY_MS) as i32 + day as i32
    }

    /// The calls that begin on a day of the period, counted from 0; none from [`Generator::days`] on.
    pub fn day(&self, day: u32) -> Calls<'_> {
        let from_ms = self.config.start_ms() + i64::from(day) * DAY_MS;
        self.calls(from_ms, from_ms + DAY_MS)
    }

    /// The calls that begin in `from_ms..to_ms` (milliseconds since 1970 UTC), in order of their beginning, as
    /// far as the period goes. Calls that have not ended when the period ends are not among them: their records
    /// are not written yet.
    pub fn calls(&self, from_ms: i64, to_ms: i64) -> Calls<'_> {
        let from_ms = from_ms.max(self.config.start_ms());
        let to_ms = to_ms.min(self.config.end_ms);
        Calls {
            generator: self,
            from_ms,
            to_ms,
            next_minute: from_ms.div_euclid(MINUTE_MS),
            ready: Vec::new().into_iter(),
        }
    }

    /// What was planted: one label a number and campaign.
    pub fn labels(&self) -> Vec<Label> {
        self.campaigns.iter().flat_map(Campaign::labels).collect()
    }

    /// The calls that begin in one minute (counted since 1970), in order.
    fn minute(&self, minute: i64) -> Vec<GeneratedCall> {
        let mut calls = Vec::new();
        self.ordinary.fill(&self.population, minute, &mut calls);
        for campaign in &self.campaigns {
            campaign.fill(&self.population, minute, &mut calls);
        }
        calls.sort_by_key(|call| call.started_at_ms);
        for (place, call) in calls.iter_mut().enumerate() {
            // Different for every call: minute and place within it.
            call.call_id = Text::new().hex(minute as u64).push("-").hex(place as u64).finish();
        }
        calls
    }
}

/// Calls in order of their beginning. Made by [`Generator::calls`].
#[derive(Debug)]
pub struct Calls<'a> {
    generator: &'a Generator,
    from_ms: i64,
    to_ms: i64,
    next_minute: i64,
    ready: vec::IntoIter<GeneratedCall>,
}

impl Iterator for Calls<'_> {
    type Item = GeneratedCall;

    fn next(&mut self) -> Option<GeneratedCall> {
        loop {
            for call in self.ready.by_ref() {
                let begins_inside = (self.from_ms..self.to_ms).contains(&call.started_at_ms);
                if begins_inside && call.ended_at_ms <= self.generator.config.end_ms {
                    return Some(call);
                }
            }
            if self.next_minute * MINUTE_MS >= self.to_ms {
                return None;
            }
            self.ready = self.generator.minute(self.next_minute).into_iter();
            self.next_minute += 1;
        }
    }
}
