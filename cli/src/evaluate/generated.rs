//! Data sets made by the generator as they are gone through: their calls are never all in memory.

use std::path::Path;

use anyhow::Context as _;
use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Delivered, Generator, Label};
use evaluation::{Calls, CallsError, Labels};

use crate::failure::{Blame as _, Failure};

/// What all sets have in common.
#[derive(Clone, Copy)]
pub(super) struct Recipe {
    pub(super) end_ms: i64,
    pub(super) days: u32,
    pub(super) subscribers: u32,
    pub(super) campaigns: u32,
}

/// The calls of a seed and what was planted among them.
pub(super) struct World<'a> {
    pub(super) calls: GeneratedCalls<'a>,
    pub(super) labels: Labels,
}

impl Recipe {
    /// The world of a seed.
    pub(super) fn world(self, seed: u64, plan: &NumberPlan) -> Result<World<'_>, Failure> {
        let config = Config {
            campaigns_per_scheme: self.campaigns,
            ..Config::new(seed, self.end_ms, self.days, self.subscribers)
        };
        let generator = Generator::new(config).or_user()?;
        // As the generator writes them, so that a column more is read like a file's.
        let labels = generator.labels();
        let lines = std::iter::once(Label::CSV_HEADER.to_owned()).chain(labels.iter().map(Label::to_csv));
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        let labels = Labels::parse(Path::new("generated labels"), text.as_bytes(), plan);
        let labels = labels.context("the generator's labels are refused, please report this").or_internal()?;
        Ok(World { calls: GeneratedCalls { generator, plan }, labels })
    }
}

/// The calls of a seed, in the order and at the times at which their records arrive.
pub(super) struct GeneratedCalls<'a> {
    generator: Generator,
    plan: &'a NumberPlan,
}

impl Calls for GeneratedCalls<'_> {
    fn each(&self, visit: &mut dyn FnMut(i64, &CallRecord)) -> Result<(), CallsError> {
        let config = self.generator.config();
        for arrival in self.generator.arrivals(config.start_ms(), config.end_ms) {
            match arrival.delivered {
                Delivered::Call(call) | Delivered::Duplicate(call) => {
                    visit(arrival.arrival_ms, &call.to_record(self.plan)?);
                }
                Delivered::Invalid(_) => {}
            }
        }
        Ok(())
    }
}
