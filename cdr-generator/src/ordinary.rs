//! Ordinary traffic: who calls whom for how long when nobody means harm.

use cdr::{Channel, Outcome};
use smol_str::SmolStr;

use crate::call::{Ending, GeneratedCall};
use crate::config::{Config, DAY_MS, HOUR_MS, MINUTE_MS};
use crate::contacts::{Acquaintance, Callee};
use crate::countries::{COUNTRIES, Country};
use crate::dice::{Dice, Purpose, Streams};
use crate::durations::{answer_ms, message_ms, patience_ms, talk_ms};
use crate::population::{Kind, Population, site_name};
use crate::text::Text;

/// The ordinary calls of any minute.
#[derive(Debug)]
pub(crate) struct Ordinary {
    streams: Streams,
    sms_share: f64,
    anonymous_share: f64,
}

/// A call from abroad to home, in millionths a minute.
pub(crate) const ROAMING_MICROS_A_MINUTE: i64 = 250_000;

/// Extensions of a site.
pub(crate) const EXTENSIONS: u64 = 60;

impl Ordinary {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            streams: Streams::new(config.seed, Purpose::Ordinary, 0),
            sms_share: config.sms_share,
            anonymous_share: config.anonymous_share,
        }
    }

    /// Appends the calls that begin in a minute (counted since 1970), in order.
    pub(crate) fn fill(&self, population: &Population, minute: i64, calls: &mut Vec<GeneratedCall>) {
        let mut dice = self.streams.stream(minute as u64);
        let count = dice.poisson(population.calls_a_minute(minute));
        let mut offsets: Vec<u32> = (0..count).map(|_| dice.below(MINUTE_MS as u64) as u32).collect();
        offsets.sort_unstable();
        calls.reserve(offsets.len());
        for offset_ms in offsets {
            let started_at_ms = minute * MINUTE_MS + i64::from(offset_ms);
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
        let has_site = population.has_site(id);
        if has_site && dice.chance(0.25) {
            let site = site_name(id);
            let (from, to) = (extension(&site, dice), extension(&site, dice));
            let end = if dice.chance(0.7) { answered_talk(subscriber.kind, dice) } else { unanswered(dice) };
            return GeneratedCall::attempt(from, to, started_at_ms, end);
        }
        let callee = population.pick_callee(id, dice);
        let abroad = callee.country.map(|place| &COUNTRIES[place]).filter(|country| country.region != home.region);
        let end = if dice.chance(answered_share(subscriber.kind, &callee, abroad.is_some())) {
            answered_talk(subscriber.kind, dice)
        } else {
            unanswered(dice)
        };
        let mut call = GeneratedCall::attempt(subscriber.number.clone(), callee.number, started_at_ms, end);
        if let Some(country) = abroad {
            call.bill(country.micros_a_minute, home.currency);
            call.trunk =
                Some(Text::new().push("tg-").push(country.region).push("-").decimal(1 + dice.below(3)).finish());
        }
        if subscriber.kind == Kind::Mobile {
            place(&mut call, population, id, home, dice);
        } else {
            call.caller_ip = population.ip(id);
        }
        // The switch of the site shows the extension rather than the number of the site.
        if has_site && dice.chance(0.15) {
            call.caller = extension(&site_name(id), dice);
        } else if dice.chance(self.anonymous_share) {
            call.caller = SmolStr::new_static("anonymous");
        }
        call
    }
}

/// How likely somebody picks up: acquaintances more than others, the callee's home more than abroad (README).
fn answered_share(kind: Kind, callee: &Callee, abroad: bool) -> f64 {
    let at_home = match (callee.acquaintance, kind) {
        (Acquaintance::Known, _) => 0.70,
        // Who ordered a taxi waits for its call.
        (Acquaintance::Stranger, Kind::Dispatch) => 0.78,
        // The number is that of a firm, or said to be.
        (Acquaintance::Stranger, Kind::CallCentre) => 0.53,
        (Acquaintance::Stranger, Kind::Dialler) => 0.30,
        (Acquaintance::Stranger, _) => 0.45,
    };
    if abroad { at_home * ANSWERED_ABROAD } else { at_home }
}

/// Calls abroad that are answered, for one of the same kind at home: time zones and congested routes.
const ANSWERED_ABROAD: f64 = 0.78;

/// A call that somebody picked up.
pub(crate) fn answered_talk(kind: Kind, dice: &mut Dice) -> Ending {
    Ending { outcome: Outcome::Answered, ring_ms: answer_ms(dice), talk_ms: talk_ms(kind, dice) }
}

/// A call that nobody picked up. Of 100, 52 ring out, 18 are busy, 10 fail, 20 are given up.
pub(crate) fn unanswered(dice: &mut Dice) -> Ending {
    let (outcome, ring_ms) = match dice.unit() {
        what if what < 0.52 => (Outcome::NoAnswer, dice.between(18_000, 45_000)),
        what if what < 0.70 => (Outcome::Busy, dice.between(300, 2_500)),
        what if what < 0.80 => (Outcome::Failed, dice.between(50, 4_000)),
        _ => (Outcome::Canceled, patience_ms(dice)),
    };
    Ending { outcome, ring_ms, talk_ms: 0 }
}

/// A message: from a person to a contact, or from a firm to a person.
fn message(population: &Population, id: u32, started_at_ms: i64, dice: &mut Dice) -> GeneratedCall {
    let subscriber = population.subscriber(id);
    let home = subscriber.country();
    let delivered = dice.chance(0.96);
    let end = Ending {
        outcome: if delivered { Outcome::Answered } else { Outcome::Failed },
        ring_ms: message_ms(dice),
        talk_ms: 0,
    };
    let mut call = if subscriber.kind == Kind::Mobile && dice.chance(0.55) {
        let callee = population.pick_callee(id, dice);
        let mut call = GeneratedCall::attempt(subscriber.number.clone(), callee.number, started_at_ms, end);
        place(&mut call, population, id, home, dice);
        if callee.country.is_some_and(|country| COUNTRIES[country].region != home.region) {
            call.cost_micros = Some(50_000);
            call.currency = Some(home.currency);
        }
        call
    } else {
        let sender = if dice.chance(NUMBERED_SENDERS) {
            // The first of them sends most: codes to log in with.
            let rank = dice.log_uniform(1.0, SENDERS_OF_A_COUNTRY as f64 + 1.0) as u64 - 1;
            population.sender(subscriber.country, rank)
        } else {
            Text::new().push("alpha:").push(home.calling_code).push(":").push(dice.pick(&SENDERS)).finish()
        };
        GeneratedCall::attempt(sender, subscriber.number.clone(), started_at_ms, end)
    };
    call.channel = Channel::Sms;
    call
}

const SENDERS: [&str; 6] = ["BANK", "PARCEL", "CODE", "CLINIC", "SHOP", "AIRLINE"];
/// Share of the messages of firms that come from a telephone number rather than a name.
const NUMBERED_SENDERS: f64 = 0.4;
/// Numbers of a country that firms send messages from.
const SENDERS_OF_A_COUNTRY: u64 = 4;

/// Fills in the cell and the handset of a mobile caller, and what a call from abroad costs.
fn place(call: &mut GeneratedCall, population: &Population, id: u32, home: &Country, dice: &mut Dice) {
    let country = population.whereabouts(id, call.started_at_ms.div_euclid(DAY_MS));
    let local_hour = call.started_at_ms.div_euclid(HOUR_MS) + country.utc_offset_hours;
    call.cell_id = Some(population.cell(id, country, local_hour.rem_euclid(24), dice));
    call.imei = Some(population.imei(id));
    if country.region != home.region && call.cost_micros.is_none() {
        call.bill(ROAMING_MICROS_A_MINUTE, home.currency);
        call.trunk = Some(Text::new().push("roam-").push(country.region).finish());
    }
}

fn extension(site: &str, dice: &mut Dice) -> SmolStr {
    extension_number(site, dice.below(EXTENSIONS))
}

/// One of the [`EXTENSIONS`] of a site.
pub(crate) fn extension_number(site: &str, place: u64) -> SmolStr {
    Text::new().push("ext:").push(site).push("/").decimal(2_000 + place).finish()
}
