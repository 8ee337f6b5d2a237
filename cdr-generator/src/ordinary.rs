//! Ordinary traffic: who calls whom for how long when nobody means harm.

use cdr::{Channel, Outcome};
use smol_str::{SmolStr, format_smolstr};

use crate::call::{Ending, GeneratedCall};
use crate::config::{Config, DAY_MS, HOUR_MS, MINUTE_MS};
use crate::countries::Country;
use crate::dice::{Dice, Purpose, Streams};
use crate::population::{Kind, Population};

/// The ordinary calls of any minute.
#[derive(Debug)]
pub(crate) struct Ordinary {
    streams: Streams,
    sms_share: f64,
    anonymous_share: f64,
}

impl Ordinary {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            streams: Streams::new(config.seed, Purpose::Ordinary, 0),
            sms_share: config.sms_share,
            anonymous_share: config.anonymous_share,
        }
    }

    /// Appends the calls that begin in a minute (counted since 1970), in no order.
    pub(crate) fn fill(&self, population: &Population, minute: i64, calls: &mut Vec<GeneratedCall>) {
        let mut dice = self.streams.stream(minute as u64);
        for _ in 0..dice.poisson(population.calls_a_minute(minute)) {
            let started_at_ms = minute * MINUTE_MS + dice.below(MINUTE_MS as u64) as i64;
            let caller = population.pick_caller(minute, &mut dice);
            calls.push(if dice.chance(self.sms_share) {
                message(population, caller, started_at_ms, &mut dice)
            } else {
                self.voice(population, caller, started_at_ms, &mut dice)
            });
        }
    }

    fn voice(&self, population: &Population, id: u32, started_at_ms: i64, dice: &mut Dice) -> GeneratedCall {
        let subscriber = population.subscriber(id);
        let home = subscriber.country();
        let site = population.site(id);
        if let Some(site) = &site
            && dice.chance(0.25)
        {
            let (from, to) = (extension(site, dice), extension(site, dice));
            return GeneratedCall::attempt(from, to, started_at_ms, ending(subscriber.kind, 0.7, dice));
        }
        let callee = population.pick_callee(id, dice);
        let abroad = callee.country.filter(|country| country.region != home.region);
        let answered = if abroad.is_some() { 0.52 } else { 0.64 };
        let end = ending(subscriber.kind, answered, dice);
        let mut call = GeneratedCall::attempt(subscriber.number.clone(), callee.number, started_at_ms, end);
        if let Some(country) = abroad {
            call.bill(country.micros_a_minute, home.currency);
            call.trunk = Some(format_smolstr!("tg-{}-{}", country.region, 1 + dice.below(3)));
        }
        if subscriber.kind == Kind::Mobile {
            place(&mut call, population, id, home, dice);
        } else {
            call.caller_ip = population.ip(id);
        }
        match site {
            // The switch of the site shows the extension rather than the number of the site.
            Some(site) if dice.chance(0.15) => call.caller = extension(&site, dice),
            _ if dice.chance(self.anonymous_share) => call.caller = SmolStr::new_static("anonymous"),
            _ => {}
        }
        call
    }
}

/// What happens to a call of a subscriber of some kind that is answered with probability `answered`.
fn ending(kind: Kind, answered: f64, dice: &mut Dice) -> Ending {
    let mut outcome = Outcome::Answered;
    let what = dice.unit();
    if what >= answered {
        // The rest in fixed proportions: of 100, 52 ring out, 18 are busy, 10 fail, 20 are given up.
        outcome = match (what - answered) / (1.0 - answered) {
            rest if rest < 0.52 => Outcome::NoAnswer,
            rest if rest < 0.70 => Outcome::Busy,
            rest if rest < 0.80 => Outcome::Failed,
            _ => Outcome::Canceled,
        };
    }
    let ring_ms = match outcome {
        Outcome::Answered => (dice.log_normal(7_000.0, 0.5) as i64).clamp(500, 60_000),
        Outcome::NoAnswer => dice.between(18_000, 45_000),
        Outcome::Busy => dice.between(300, 2_500),
        Outcome::Failed => dice.between(50, 4_000),
        Outcome::Canceled => (dice.log_normal(11_000.0, 0.6) as i64).clamp(800, 60_000),
    };
    let (median_ms, spread) = match kind {
        Kind::Mobile => (60_000.0, 1.25),
        Kind::Landline => (110_000.0, 1.3),
        Kind::Office => (95_000.0, 1.05),
        Kind::CallCentre => (75_000.0, 1.1),
    };
    let talk_ms = if outcome == Outcome::Answered {
        (dice.log_normal(median_ms, spread) as i64).clamp(400, LONGEST_TALK_MS)
    } else {
        0
    };
    Ending { outcome, ring_ms, talk_ms }
}

/// Switches cut a call after some hours.
const LONGEST_TALK_MS: i64 = 4 * HOUR_MS;

/// A message: from a person to a contact, or from a company's name to a person.
fn message(population: &Population, id: u32, started_at_ms: i64, dice: &mut Dice) -> GeneratedCall {
    let subscriber = population.subscriber(id);
    let home = subscriber.country();
    let delivered = dice.chance(0.96);
    let end = Ending {
        outcome: if delivered { Outcome::Answered } else { Outcome::Failed },
        ring_ms: (dice.log_normal(900.0, 0.8) as i64).clamp(80, 120_000),
        talk_ms: 0,
    };
    let mut call = if subscriber.kind == Kind::Mobile && dice.chance(0.55) {
        let callee = population.pick_callee(id, dice);
        let mut call = GeneratedCall::attempt(subscriber.number.clone(), callee.number, started_at_ms, end);
        place(&mut call, population, id, home, dice);
        if callee.country.is_some_and(|country| country.region != home.region) {
            call.cost_micros = Some(50_000);
            call.currency = Some(home.currency);
        }
        call
    } else {
        let sender = format_smolstr!("alpha:{}:{}", home.calling_code, dice.pick(&SENDERS));
        GeneratedCall::attempt(sender, subscriber.number.clone(), started_at_ms, end)
    };
    call.channel = Channel::Sms;
    call
}

const SENDERS: [&str; 6] = ["BANK", "PARCEL", "CODE", "CLINIC", "SHOP", "AIRLINE"];

/// Fills in the cell and the handset of a mobile caller, and what a call from abroad costs.
fn place(call: &mut GeneratedCall, population: &Population, id: u32, home: &Country, dice: &mut Dice) {
    let country = population.whereabouts(id, call.started_at_ms.div_euclid(DAY_MS));
    let local_hour = call.started_at_ms.div_euclid(HOUR_MS) + country.utc_offset_hours;
    call.cell_id = Some(population.cell(id, country, local_hour.rem_euclid(24), dice));
    call.imei = Some(population.imei(id));
    if country.region != home.region && call.cost_micros.is_none() {
        call.bill(ROAMING_MICROS_A_MINUTE, home.currency);
        call.trunk = Some(format_smolstr!("roam-{}", country.region));
    }
}

/// A call from abroad to home.
const ROAMING_MICROS_A_MINUTE: i64 = 250_000;

fn extension(site: &str, dice: &mut Dice) -> SmolStr {
    format_smolstr!("ext:{site}/{}", 2_000 + dice.below(60))
}
