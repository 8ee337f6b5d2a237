//! What the number plan says of generated numbers, without asking it for each: numbers of a series have country and
//! prefix in common.

use call_files::NumberSeries;
use cdr::NumberPlan;

use crate::countries::COUNTRIES;

/// The series of all countries, by what their numbers begin with.
pub(crate) struct KnownSeries {
    /// Sorted. None begins another: a test says so.
    series: Vec<(String, NumberSeries)>,
}

impl KnownSeries {
    /// Asks the plan for one number of each series.
    pub(crate) fn new(plan: &NumberPlan) -> Self {
        let mut all = Vec::new();
        for country in COUNTRIES {
            for series in country.mobile.iter().chain(country.fixed) {
                let number = country.number(*series, 0);
                let Ok(known) = plan.parse(&number) else { continue };
                if let Some(prefix) = known.prefix().filter(|_| known.country() == Some(country.region)) {
                    let begins = number[..number.len() - series.free_digits as usize].to_owned();
                    all.push((begins, NumberSeries { country: country.region, prefix_bytes: prefix.len() }));
                }
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup();
        Self { series: all }
    }

    /// What is known of a number; `None` where its series is none of these.
    pub(crate) fn of(&self, number: &str) -> Option<NumberSeries> {
        let after = self.series.partition_point(|(begins, _)| begins.as_str() <= number);
        let (begins, series) = &self.series[after.checked_sub(1)?];
        number.starts_with(begins.as_str()).then_some(*series)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dice::{mix, scale};

    #[test]
    fn all_numbers_of_a_series_are_alike_to_the_number_plan() {
        let plan = NumberPlan::new("US").unwrap();
        let known = KnownSeries::new(&plan);
        let mut different = Vec::new();
        for country in COUNTRIES {
            for series in country.mobile.iter().chain(country.fixed) {
                for bits in 0..200 {
                    let number = country.number(*series, scale(mix(bits, 1), series.size()));
                    let asked = plan.parse(&number).unwrap();
                    let is = known.of(&number).map(|series| (series.country, series.prefix_bytes));
                    if is != Some((asked.country().unwrap(), asked.prefix().unwrap().len())) {
                        different.push(format!("{} {}", country.region, series.begins));
                        break;
                    }
                }
            }
        }
        assert!(different.is_empty(), "{different:?}");
        assert_eq!(known.of("anonymous"), None);
        assert_eq!(known.of("+1"), None);
        assert!(known.series.windows(2).all(|pair| !pair[1].0.starts_with(&pair[0].0)));
    }
}
