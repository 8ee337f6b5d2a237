//! A telephone system that was broken into: first short calls that try what it lets through, then calls to premium
//! numbers, many at a time, while the office is empty.

use cdr::Outcome;
use smol_str::{SmolStr, format_smolstr};

use super::premium::{Premium, held, high_risk_country};
use super::{Actor, Moment, Plan, Strength};
use crate::call::{Ending, GeneratedCall};
use crate::countries::Country;
use crate::dice::Dice;
use crate::label::Role;
use crate::ordinary::{EXTENSIONS, extension_number};
use crate::population::{Kind, site_name};

#[derive(Debug)]
pub(super) struct PbxHack {
    strength: Strength,
    hacked: u32,
    /// The number that the office shows outside.
    trunk_number: SmolStr,
    extensions: Vec<SmolStr>,
    home: &'static Country,
    premium: Vec<Premium>,
    calls_a_minute: f64,
    probes_a_minute: f64,
    /// From where the intruder signals; `None` where the calls come out of the office's own switch.
    intruder: Option<SmolStr>,
}

/// The most premium numbers of one block.
const MOST_DESTINATIONS: u64 = 40;
/// How long the longest call is held at full strength. Calls of one to four hours were billed to an office in 2014
/// (README); most are shorter.
const LONGEST_TALK_MS: f64 = 3_600_000.0;
/// Of the time of the fraud, what goes into trying.
const PROBING_SHARE: f64 = 0.2;

impl PbxHack {
    pub(super) fn plan(plan: &Plan, dice: &mut Dice) -> Self {
        let population = plan.population;
        let start = dice.below(population.len().into()) as u32;
        // One with extensions if there is, else any office; a small population may have none.
        let with_site = population.find_id(start, |id| population.has_site(id));
        let office = || population.find(start, |subscriber| subscriber.kind == Kind::Office);
        let hacked = with_site.or_else(office).unwrap_or(start);
        let site = site_name(hacked);
        let first = dice.below(EXTENSIONS);
        let count = plan.strength.spread(dice.between(2, 3), EXTENSIONS / 2);
        let extensions = (0..count).map(|place| extension_number(&site, (first + 7 * place) % EXTENSIONS)).collect();
        let destinations = plan.strength.spread(dice.between(3, 8), MOST_DESTINATIONS);
        Self {
            strength: plan.strength,
            hacked,
            trunk_number: population.subscriber(hacked).number.clone(),
            extensions,
            home: population.subscriber(hacked).country(),
            premium: (0..3).map(|_| Premium::plan(destinations, dice)).collect(),
            calls_a_minute: plan.strength.rate(dice.between(5, 15) as f64),
            probes_a_minute: plan.strength.rate(dice.between(3, 8) as f64),
            // A network set aside for documentation (RFC 5737), as all addresses here.
            intruder: (plan.strength.value() >= 0.5).then(|| format_smolstr!("192.0.2.{}", dice.between(1, 254))),
        }
    }

    /// The office's own number for a third of the calls, an extension for the others, as its switch shows them.
    fn caller(&self, dice: &mut Dice) -> SmolStr {
        if dice.chance(1.0 / 3.0) {
            return self.trunk_number.clone();
        }
        self.extensions[dice.below(self.extensions.len() as u64) as usize].clone()
    }

    /// A call that tries whether the way abroad is open.
    fn probe(&self, moment: &Moment, dice: &mut Dice) -> GeneratedCall {
        let end = match dice.unit() {
            what if what < 0.80 => Ending { outcome: Outcome::Failed, ring_ms: dice.between(60, 1_200), talk_ms: 0 },
            what if what < 0.90 => {
                Ending { outcome: Outcome::Canceled, ring_ms: dice.between(800, 4_000), talk_ms: 0 }
            }
            _ => Ending {
                outcome: Outcome::Answered,
                ring_ms: dice.between(500, 3_000),
                talk_ms: dice.between(500, 5_000),
            },
        };
        let country = high_risk_country(dice);
        let callee = country.any_number(dice.bits());
        let mut call = GeneratedCall::attempt(self.caller(dice), callee, moment.any_ms(dice), end);
        call.bill(country.micros_a_minute, self.home.currency);
        call.trunk = Some(format_smolstr!("tg-{}-1", country.region));
        call
    }
}

impl Actor for PbxHack {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        let from = calls.len();
        if (moment.age as f64) < moment.length as f64 * PROBING_SHARE {
            for _ in 0..dice.poisson(self.probes_a_minute) {
                calls.push(self.probe(moment, dice));
            }
        } else {
            for _ in 0..dice.poisson(self.calls_a_minute) {
                let premium = &self.premium[dice.below(self.premium.len() as u64) as usize];
                let end = held(self.strength, LONGEST_TALK_MS, dice);
                let mut call = GeneratedCall::attempt(self.caller(dice), premium.any(dice), moment.any_ms(dice), end);
                premium.bill(&mut call, 0, self.home.currency);
                calls.push(call);
            }
        }
        let own = moment.population.ip(self.hacked);
        for call in &mut calls[from..] {
            call.caller_ip = self.intruder.clone().or_else(|| own.clone());
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        let callers = std::iter::once(&self.trunk_number).chain(&self.extensions);
        let callers = callers.map(|number| (number.clone(), Role::Caller));
        callers.chain(self.premium.iter().flat_map(Premium::callees)).collect()
    }

    fn utc_offset_hours(&self) -> i64 {
        self.home.utc_offset_hours
    }
}
