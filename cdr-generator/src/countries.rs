//! Number plans of the countries that calls come from and go to: enough of each to make numbers that exist.

use smol_str::SmolStr;

use crate::dice::{mix, scale};
use crate::text::Text;

/// Numbers that begin alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    /// The first digits of the national number.
    pub(crate) begins: &'static str,
    /// How many digits follow.
    pub(crate) free_digits: u32,
}

/// A country as the generator knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Country {
    /// ISO 3166-1 alpha-2.
    pub(crate) region: &'static str,
    pub(crate) calling_code: &'static str,
    pub(crate) mobile: &'static [Series],
    pub(crate) fixed: &'static [Series],
    /// Standard time, east of Greenwich; there is no summer time here.
    pub(crate) utc_offset_hours: i64,
    /// Mobile country and network code, the beginning of a cell's name.
    pub(crate) network: &'static str,
    /// What a minute to it costs from abroad, in millionths of a dollar or euro.
    pub(crate) micros_a_minute: i64,
    /// What its subscribers are billed in.
    pub(crate) currency: &'static str,
    /// Share of subscribers that live here; 0 for countries that are only called.
    pub(crate) subscribers: f64,
    /// How often calls from abroad go here, against the others.
    pub(crate) called: f64,
    /// The emergency or information number.
    pub(crate) short_code: &'static str,
}

const fn series(begins: &'static str, free_digits: u32) -> Series {
    Series { begins, free_digits }
}

/// A country that is home to subscribers.
const fn home(
    (region, calling_code, network, short_code): (&'static str, &'static str, &'static str, &'static str),
    utc_offset_hours: i64,
    (micros_a_minute, currency): (i64, &'static str),
    (subscribers, called): (f64, f64),
    mobile: &'static [Series],
    fixed: &'static [Series],
) -> Country {
    Country {
        region,
        calling_code,
        mobile,
        fixed,
        utc_offset_hours,
        network,
        micros_a_minute,
        currency,
        subscribers,
        called,
        short_code,
    }
}

/// A country that is called rarely and costs much: those of the default high-risk list.
const fn high_risk(
    (region, calling_code, network): (&'static str, &'static str, &'static str),
    micros_a_minute: i64,
    mobile: &'static [Series],
) -> Country {
    Country {
        region,
        calling_code,
        mobile,
        fixed: mobile,
        utc_offset_hours: 0,
        network,
        micros_a_minute,
        currency: "USD",
        subscribers: 0.0,
        called: 0.15,
        short_code: "112",
    }
}

const EURO: &str = "EUR";
const DOLLAR: &str = "USD";

/// Every country; homes come first, high-risk ones last.
#[rustfmt::skip]
pub(crate) const COUNTRIES: &[Country] = &[
    // North America shares a calling code, and its numbers do not tell mobile from fixed.
    home(("US", "1", "310-260", "911"), -6, (10_000, DOLLAR), (0.40, 3.0), UNITED_STATES, UNITED_STATES),
    home(("CA", "1", "302-720", "911"), -5, (15_000, DOLLAR), (0.04, 2.0), CANADA, CANADA),
    home(("GB", "44", "234-15", "999"), 0, (20_000, DOLLAR), (0.11, 2.0),
        &[series("7400", 6), series("7512", 6), series("7823", 6), series("7900", 6)],
        &[series("2079", 6), series("1213", 6), series("1614", 6)]),
    home(("DE", "49", "262-01", "112"), 1, (20_000, EURO), (0.09, 2.0),
        &[series("1512", 7), series("160", 7), series("1701", 6), series("1761", 7)],
        &[series("302", 7), series("892", 7), series("4030", 6)]),
    home(("FR", "33", "208-01", "112"), 1, (20_000, EURO), (0.08, 1.5),
        &[series("612", 6), series("650", 6), series("781", 6)],
        &[series("142", 6), series("472", 6), series("556", 6)]),
    home(("IT", "39", "222-01", "112"), 1, (25_000, EURO), (0.04, 1.0),
        &[series("333", 7), series("347", 7)],
        &[series("0645", 6), series("0248", 6)]),
    home(("IN", "91", "404-45", "112"), 5, (30_000, DOLLAR), (0.08, 3.0),
        &[series("9810", 6), series("9845", 6), series("9967", 6), series("7042", 6)],
        &[series("112", 7), series("222", 7)]),
    home(("NG", "234", "621-30", "112"), 1, (90_000, DOLLAR), (0.05, 1.0),
        &[series("803", 7), series("806", 7), series("705", 7), series("813", 7)],
        &[series("803", 7)]),
    home(("BR", "55", "724-05", "190"), -3, (60_000, DOLLAR), (0.04, 1.0),
        &[series("1199", 7), series("2198", 7)],
        &[series("113", 7), series("212", 7)]),
    home(("MX", "52", "334-020", "911"), -6, (25_000, DOLLAR), (0.03, 3.0),
        &[series("5512", 6), series("3312", 6), series("8112", 6)],
        &[series("5553", 6), series("3336", 6)]),
    home(("ES", "34", "214-07", "112"), 1, (20_000, EURO), (0.02, 1.0),
        &[series("612", 6), series("650", 6)],
        &[series("912", 6), series("932", 6)]),
    home(("PL", "48", "260-01", "112"), 1, (25_000, DOLLAR), (0.01, 0.7),
        &[series("512", 6), series("601", 6), series("694", 6)],
        &[series("225", 6), series("126", 6)]),
    home(("ZA", "27", "655-01", "112"), 2, (70_000, DOLLAR), (0.01, 0.5),
        &[series("822", 6), series("832", 6), series("722", 6)],
        &[series("114", 6), series("214", 6)]),
    // Called only.
    home(("PH", "63", "515-02", "911"), 8, (120_000, DOLLAR), (0.0, 1.5), &[series("917", 7)], &[series("917", 7)]),
    home(("AE", "971", "424-02", "999"), 4, (150_000, DOLLAR), (0.0, 1.0), &[series("50", 7)], &[series("50", 7)]),
    home(("KE", "254", "639-02", "112"), 3, (180_000, DOLLAR), (0.0, 0.7), &[series("712", 6)], &[series("712", 6)]),
    high_risk(("CU", "53", "368-01"), 900_000, &[series("52", 6)]),
    high_risk(("LV", "371", "247-01"), 350_000, &[series("29", 6)]),
    high_risk(("SO", "252", "637-01"), 700_000, &[series("61", 7)]),
    high_risk(("SL", "232", "619-01"), 600_000, &[series("76", 6)]),
    high_risk(("MV", "960", "472-01"), 950_000, &[series("77", 5)]),
    high_risk(("GN", "224", "611-01"), 650_000, &[series("622", 6)]),
    high_risk(("ZW", "263", "648-01"), 500_000, &[series("712", 6)]),
    high_risk(("TN", "216", "605-02"), 600_000, &[series("22", 6)]),
    high_risk(("LT", "370", "246-01"), 400_000, &[series("612", 5)]),
    high_risk(("EE", "372", "248-01"), 350_000, &[series("512", 5)]),
    high_risk(("GM", "220", "607-01"), 700_000, &[series("77", 5)]),
    high_risk(("TL", "670", "514-02"), 1_100_000, &[series("772", 5)]),
];

const UNITED_STATES: &[Series] = &[
    series("2022", 6),
    series("2124", 6),
    series("2133", 6),
    series("3054", 6),
    series("3122", 6),
    series("4047", 6),
    series("4152", 6),
    series("4692", 6),
    series("5124", 6),
    series("6022", 6),
    series("6173", 6),
    series("6464", 6),
    series("7022", 6),
    series("7132", 6),
    series("7184", 6),
    series("7733", 6),
    series("7862", 6),
    series("8184", 6),
    series("9172", 6),
    series("9292", 6),
];
const CANADA: &[Series] = &[series("4164", 6), series("6046", 6), series("5142", 6)];

/// How many of [`COUNTRIES`], from the first, are home to subscribers.
pub(crate) const HOMES: usize = 13;

/// Where the countries of the default high-risk list begin in [`COUNTRIES`].
pub(crate) const HIGH_RISK_FROM: usize = 16;

/// Digits of a number block: what `range` leaves off a number.
pub(crate) const BLOCK_DIGITS: u32 = 4;

impl Country {
    pub(crate) fn series(&self, mobile: bool) -> &'static [Series] {
        if mobile { self.mobile } else { self.fixed }
    }

    /// Any number of the country, decided by `bits`: two of three are mobile.
    pub(crate) fn any_number(&self, bits: u64) -> SmolStr {
        let all = self.series(!bits.is_multiple_of(3));
        let series = all[scale(mix(bits, 1), all.len() as u64) as usize];
        self.number(series, scale(mix(bits, 2), series.size()))
    }

    /// The number at `place` of a series, which is below [`Series::size`].
    pub(crate) fn number(&self, series: Series, place: u64) -> SmolStr {
        let text = Text::new().push("+").push(self.calling_code).push(series.begins);
        text.padded(place, series.free_digits as usize).finish()
    }
}

impl Series {
    /// How many numbers it has.
    pub(crate) const fn size(self) -> u64 {
        10_u64.pow(self.free_digits)
    }

    /// How many blocks of [`BLOCK_DIGITS`] it has.
    pub(crate) const fn blocks(self) -> u64 {
        10_u64.pow(self.free_digits - BLOCK_DIGITS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rlibphonenumber::PhoneNumber;

    use super::*;

    #[test]
    fn numbers_of_every_series_exist_and_are_where_they_should_be() {
        let mut wrong = Vec::new();
        for country in COUNTRIES {
            for series in country.mobile.iter().chain(country.fixed) {
                for bits in 0..50 {
                    let number = country.number(*series, scale(mix(bits, 0), series.size()));
                    let parsed: PhoneNumber = number.parse().unwrap();
                    let region = parsed.get_region_code().map(|region| region.to_string());
                    let canonical = parsed.to_string() == number.as_str();
                    if !parsed.is_valid() || region.as_deref() != Some(country.region) || !canonical {
                        wrong.push(format!("{} {} {number}", country.region, series.begins));
                        break;
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(COUNTRIES[..HOMES].iter().all(|country| country.subscribers > 0.0));
        assert!(COUNTRIES[HOMES..].iter().all(|country| country.subscribers == 0.0));
        let homes: f64 = COUNTRIES.iter().map(|country| country.subscribers).sum();
        assert!((homes - 1.0).abs() < 1e-9, "{homes}");
        let list = include_str!("../../lists/irsf.csv");
        let high_risk: Vec<_> = list.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        for (place, country) in COUNTRIES.iter().enumerate() {
            assert_eq!(high_risk.contains(&country.region), place >= HIGH_RISK_FROM, "{}", country.region);
        }
    }
}
