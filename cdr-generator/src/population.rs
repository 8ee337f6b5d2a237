//! Who calls, from where, and whom they know.

use smol_str::SmolStr;

use crate::alias::Alias;
use crate::config::Config;
use crate::countries::{BLOCK_DIGITS, COUNTRIES, Country, HOMES, Series};
use crate::dice::{Dice, Purpose, Streams, mix, scale, unit};
use crate::handset;
use crate::rhythm::{self, WEEK_HOURS};
use crate::text::Text;

/// What a subscriber is: it decides when, how often and how long it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mobile,
    Landline,
    Office,
    /// Answers, and calls customers back.
    CallCentre,
    /// Calls the numbers of a list all day for a firm: collectors, surveys, sales. Busy and honest.
    Dialler,
    /// Taxis and parcels: short calls to whoever ordered, also by night and on Sundays.
    Dispatch,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Mobile, Self::Landline, Self::Office, Self::CallCentre, Self::Dialler, Self::Dispatch];

    /// Share of subscribers, and calls against those of a mobile one.
    const fn share_and_activity(self) -> (f64, f64) {
        match self {
            Self::Mobile => (0.719, 1.0),
            Self::Landline => (0.10, 0.5),
            Self::Office => (0.17, 1.6),
            Self::CallCentre => (0.01, 12.0),
            Self::Dialler => (0.000_5, 100.0),
            Self::Dispatch => (0.000_5, 50.0),
        }
    }
}

/// A number that places ordinary calls.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) number: SmolStr,
    /// Place in [`COUNTRIES`].
    pub(crate) country: u8,
    pub(crate) kind: Kind,
}

impl Subscriber {
    pub(crate) fn country(&self) -> &'static Country {
        &COUNTRIES[usize::from(self.country)]
    }
}

/// All subscribers. Its size follows their number, not the number of calls.
#[derive(Debug)]
pub(crate) struct Population {
    /// What distinguishes the facts of this population from those of another seed.
    seed: u64,
    pub(crate) international_share: f64,
    roaming_share: f64,
    subscribers: Vec<Subscriber>,
    groups: Vec<Group>,
    /// Countries by how often they are called from abroad.
    pub(crate) called: Alias,
    /// Subscribers of each home country.
    pub(crate) of_country: Vec<Vec<u32>>,
    /// For each UTC hour of the week.
    hours: Vec<Hour>,
}

/// Subscribers of one country and kind.
#[derive(Debug)]
struct Group {
    members: Vec<u32>,
    /// Members by how much they call, and how much they call together.
    choice: Alias,
    activity: f64,
}

/// How much is called in an hour, by group.
#[derive(Debug)]
struct Hour {
    calls_a_minute: f64,
    groups: Alias,
}

impl Population {
    pub(crate) fn new(config: &Config) -> Self {
        let streams = Streams::new(config.seed, Purpose::Subscriber, 0);
        let mut population = Self {
            seed: mix(config.seed, Purpose::Subscriber as u64),
            international_share: config.international_share,
            roaming_share: config.roaming_share,
            subscribers: Vec::with_capacity(config.subscribers as usize),
            groups: Vec::new(),
            called: Alias::new(&COUNTRIES.iter().map(|country| country.called).collect::<Vec<f64>>()),
            of_country: vec![Vec::new(); HOMES],
            hours: Vec::new(),
        };
        // Who everybody is comes first: how densely blocks are filled depends on how many share them.
        let mut drawn = Vec::with_capacity(config.subscribers as usize);
        let mut crowd = [[0_u64; 2]; HOMES];
        for id in 0..config.subscribers {
            let mut dice = streams.stream(id.into());
            let country = country_of(dice.unit());
            let kind = kind_of(dice.unit());
            let activity = kind.share_and_activity().1 * dice.log_normal(1.0, 0.9);
            crowd[country][usize::from(kind == Kind::Mobile)] += 1;
            drawn.push((country, kind, activity));
        }
        let mut placed = [[0_u64; 2]; HOMES];
        let mut groups = vec![(Vec::new(), Vec::new()); HOMES * Kind::ALL.len()];
        for (id, (country, kind, activity)) in drawn.into_iter().enumerate() {
            let mobile = kind == Kind::Mobile;
            let place = &mut placed[country][usize::from(mobile)];
            let number = population.number_of(country, mobile, *place, crowd[country][usize::from(mobile)]);
            *place += 1;
            population.subscribers.push(Subscriber { number, country: country as u8, kind });
            population.of_country[country].push(id as u32);
            let (members, activities) = &mut groups[country * Kind::ALL.len() + kind as usize];
            members.push(id as u32);
            activities.push(activity);
        }
        population.groups =
            groups.into_iter().map(|(members, activities)| Group::new(members, &activities)).collect();
        population.hours = population.week(f64::from(config.subscribers) * config.calls_per_subscriber_day);
        population
    }

    pub(crate) fn len(&self) -> u32 {
        self.subscribers.len() as u32
    }

    pub(crate) fn subscriber(&self, id: u32) -> &Subscriber {
        &self.subscribers[id as usize]
    }

    /// How many ordinary calls begin in a minute, on average.
    pub(crate) fn calls_a_minute(&self, minute: i64) -> f64 {
        self.hour(minute).calls_a_minute
    }

    /// Who places one of the calls of a minute.
    pub(crate) fn pick_caller(&self, minute: i64, dice: &mut Dice) -> u32 {
        let group = &self.groups[self.hour(minute).groups.pick(dice.bits())];
        group.members[group.choice.pick(dice.bits())]
    }

    /// The first subscriber from `start` on, around, that fits. `None` if there is none.
    pub(crate) fn find(&self, start: u32, fits: impl Fn(&Subscriber) -> bool) -> Option<u32> {
        self.find_id(start, |id| fits(self.subscriber(id)))
    }

    /// The first subscriber from `start` on, around, of which this is true. `None` if there is none.
    pub(crate) fn find_id(&self, start: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
        let n = self.len();
        (0..n).map(|step| (start + step) % n).find(|id| fits(*id))
    }

    /// The numbers of subscribers that begin with some digits.
    pub(crate) fn numbers_beginning_with(&self, begins: &str) -> impl Iterator<Item = &SmolStr> {
        self.subscribers.iter().map(|subscriber| &subscriber.number).filter(move |number| number.starts_with(begins))
    }

    /// A block of a series that no subscriber has a number of, unless all are in use. There are a few, told apart by
    /// `ordinal`.
    pub(crate) fn unused_block(&self, series: Series, ordinal: u64) -> u64 {
        self.unused_block_from_the_end(series, ordinal % UNUSED_BLOCKS)
    }

    fn unused_block_from_the_end(&self, series: Series, place: u64) -> u64 {
        // Subscribers have theirs from the front.
        shuffled(series.blocks() - 1 - place % series.blocks(), series.blocks(), self.seed)
    }

    /// The number plan's country that a mobile subscriber is in on a day: nearly always its own.
    pub(crate) fn whereabouts(&self, id: u32, day: i64) -> &'static Country {
        let home = self.subscriber(id).country;
        let trip = mix(self.of(id, Fact::Trip), day.div_euclid(DAYS_OF_A_TRIP) as u64);
        if unit(trip) >= self.roaming_share {
            return &COUNTRIES[usize::from(home)];
        }
        let abroad = scale(mix(trip, 1), HOMES as u64 - 1) as usize;
        &COUNTRIES[if abroad >= usize::from(home) { abroad + 1 } else { abroad }]
    }

    /// The cell a mobile subscriber calls from: at home by night, often at work by day, else in between.
    pub(crate) fn cell(&self, id: u32, country: &Country, local_hour: i64, dice: &mut Dice) -> SmolStr {
        let usual = u64::from((8..18).contains(&local_hour));
        let place = if dice.chance(0.7) { usual } else { dice.below(CELLS_OF_A_LIFE) };
        let bits = mix(self.of(id, Fact::Cells), place);
        // A life happens in one area, mostly.
        let area = 1_000 + self.of(id, Fact::Cells) % 9_000;
        Text::new().push(country.network).push("-").decimal(area).push("-").decimal(bits % 65_536).finish()
    }

    /// The handset of a mobile subscriber.
    pub(crate) fn imei(&self, id: u32) -> SmolStr {
        handset::imei(self.of(id, Fact::Handset))
    }

    /// Whether an office or call centre calls over the internet, and from where.
    pub(crate) fn ip(&self, id: u32) -> Option<SmolStr> {
        let bits = self.of(id, Fact::Ip);
        // Networks set aside for documentation (RFC 5737).
        let network = if bits & 4 == 0 { "198.51.100" } else { "203.0.113" };
        bits.is_multiple_of(3).then(|| Text::new().push(network).push(".").decimal(1 + (bits >> 8) % 254).finish())
    }

    /// Whether it is an office with extensions of its own.
    pub(crate) fn has_site(&self, id: u32) -> bool {
        self.subscriber(id).kind == Kind::Office && self.of(id, Fact::Site).is_multiple_of(5)
    }

    /// One of the numbers that firms of a country send messages from, by how much it sends.
    pub(crate) fn sender(&self, country: u8, rank: u64) -> SmolStr {
        let country = &COUNTRIES[usize::from(country)];
        let series = country.fixed[0];
        // The block behind those of campaigns.
        let block = self.unused_block_from_the_end(series, UNUSED_BLOCKS);
        country.number(series, block * BLOCK_SIZE + 7 + 100 * rank)
    }

    fn hour(&self, minute: i64) -> &Hour {
        &self.hours[rhythm::hour_of_week(minute * 60_000) as usize]
    }

    /// Bits that are a subscriber's own, and another fact's others.
    pub(crate) fn of(&self, id: u32, fact: Fact) -> u64 {
        mix(mix(self.seed, fact as u64), id.into())
    }

    /// The number of the subscriber at `place` among the `crowd` that shares series: operators give numbers
    /// out block by block.
    fn number_of(&self, country: usize, mobile: bool, place: u64, crowd: u64) -> SmolStr {
        let country = &COUNTRIES[country];
        let all = country.series(mobile);
        // Series take turns, so the smallest of them says how many blocks there are.
        let turns = all.iter().map(|series| series.blocks()).min().unwrap_or(1);
        let filled = crowd.div_ceil(turns * all.len() as u64).clamp(NUMBERS_USED_OF_A_BLOCK, BLOCK_SIZE / 2);
        // Landlines that have the series of mobiles get the other half of each block.
        let shared =
            std::ptr::eq(country.mobile, country.fixed) || country.mobile[0].begins == country.fixed[0].begins;
        let half = u64::from(shared && !mobile);
        let block = place / filled;
        let series = all[(block % all.len() as u64) as usize];
        let turn = block / all.len() as u64;
        let block_of_series = shuffled(turn, series.blocks(), self.seed);
        let last_digits = shuffled(place % filled * 2 + half, BLOCK_SIZE, mix(self.seed, turn));
        country.number(series, block_of_series * BLOCK_SIZE + last_digits)
    }

    fn week(&self, calls_a_day: f64) -> Vec<Hour> {
        let mut weights = Vec::with_capacity(WEEK_HOURS as usize);
        for hour in 0..WEEK_HOURS {
            let of_groups = self.groups.iter().enumerate().map(|(place, group)| {
                let country = &COUNTRIES[place / Kind::ALL.len()];
                let local = (hour + country.utc_offset_hours).rem_euclid(WEEK_HOURS);
                group.activity * rhythm::weight(Kind::ALL[place % Kind::ALL.len()], local)
            });
            weights.push(of_groups.collect::<Vec<f64>>());
        }
        let total: f64 = weights.iter().flatten().sum();
        let calls_a_minute_of_weight = calls_a_day * 7.0 / 60.0 / total;
        weights
            .into_iter()
            .map(|of_groups| {
                let of_hour: f64 = of_groups.iter().sum();
                Hour { calls_a_minute: of_hour * calls_a_minute_of_weight, groups: Alias::new(&of_groups) }
            })
            .collect()
    }
}

/// The name of the site of an office.
pub(crate) fn site_name(id: u32) -> SmolStr {
    Text::new().push("site").decimal(id.into()).finish()
}

impl Group {
    fn new(members: Vec<u32>, activities: &[f64]) -> Self {
        Self { members, choice: Alias::new(activities), activity: activities.iter().sum() }
    }
}

/// What is looked up about a subscriber; each has bits of its own.
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    Contacts = 1,
    Cells = 2,
    Handset = 3,
    Trip = 4,
    Ip = 5,
    Site = 6,
    Family = 7,
}

/// How many blocks from the end of a series are given to those who are no subscribers.
const UNUSED_BLOCKS: u64 = 8;
const DAYS_OF_A_TRIP: i64 = 10;
const CELLS_OF_A_LIFE: u64 = 7;
const NUMBERS_USED_OF_A_BLOCK: u64 = 60;
pub(crate) const BLOCK_SIZE: u64 = 10_u64.pow(BLOCK_DIGITS);

fn country_of(unit: f64) -> usize {
    let mut left = unit;
    for (place, country) in COUNTRIES[..HOMES].iter().enumerate() {
        left -= country.subscribers;
        if left < 0.0 {
            return place;
        }
    }
    0
}

fn kind_of(unit: f64) -> Kind {
    let mut left = unit;
    for kind in Kind::ALL {
        left -= kind.share_and_activity().0;
        if left < 0.0 {
            return kind;
        }
    }
    Kind::Mobile
}

/// A permutation of `0..size`, which is a power of ten.
pub(crate) fn shuffled(place: u64, size: u64, seed: u64) -> u64 {
    // Odd and no multiple of five: no factor in common with a power of ten.
    let mut step = seed % 10_000_000 * 2 + 1;
    if step.is_multiple_of(5) {
        step += 2;
    }
    let start = mix(seed, size) % size;
    ((u128::from(place % size) * u128::from(step) + u128::from(start)) % u128::from(size)) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn population(subscribers: u32) -> Population {
        Population::new(&Config::new(3, 1_795_219_200_000, 7, subscribers))
    }

    #[test]
    fn everybody_has_a_number_of_their_own() {
        let population = population(60_000);
        let numbers: HashSet<_> = population.subscribers.iter().map(|subscriber| &subscriber.number).collect();
        assert_eq!(numbers.len(), 60_000);
        let blocks: HashSet<_> = numbers.iter().map(|number| &number[..number.len() - 4]).collect();
        assert!((700..4_000).contains(&blocks.len()), "{}", blocks.len());
    }

    #[test]
    fn one_subscriber_is_enough() {
        let population = population(1);
        let mut dice = Streams::new(1, Purpose::Ordinary, 0).stream(0);
        for minute in 0..(WEEK_HOURS * 60) {
            if population.calls_a_minute(minute) > 0.0 {
                assert_eq!(population.pick_caller(minute, &mut dice), 0);
                population.pick_callee(0, &mut dice);
            }
        }
    }

    #[test]
    fn a_week_has_the_calls_asked_for() {
        let population = population(2_000);
        let week: f64 = (0..WEEK_HOURS * 60).map(|minute| population.calls_a_minute(minute)).sum();
        assert!((week - 7.0 * 2_000.0 * 1.1).abs() < 1e-6 * week, "{week}");
    }

    #[test]
    fn shuffling_loses_nothing() {
        for seed in [0, 1, 2, 7, u64::MAX] {
            let all: HashSet<_> = (0..10_000).map(|place| shuffled(place, 10_000, seed)).collect();
            assert_eq!(all.len(), 10_000, "{seed}");
        }
    }
}
