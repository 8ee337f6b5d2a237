//! The older service: batch features of a caller as text, under the names that its clients know.
//!
//! The names are composed of a measure, a level and a window. The measures are found in the feature set by what
//! they are, not by name: the caller's `count`, `rate` and `active_days` without a condition.

use std::collections::{BTreeMap, BTreeSet};

use connectrpc::{RequestContext, Response, ServiceRequest, ServiceResult};
use features::{Aggregate, Formula, Level, Party, Value, Window};
use md5::{Digest, Md5};
use proto::legacy;

use crate::catalog::{Asked, Catalog};
use crate::degradation::Degradation;
use crate::error::{AnswerError, RequestError};
use crate::service::Service;

/// The header of an answer, or metadata with gRPC, that says why it is not what it ought to be, in words: the older
/// message has no field for it.
pub const DEGRADED_HEADER: &str = "tollwatch-degraded";

/// The windows that the older service had, in days.
const DAYS: [u32; 4] = [1, 7, 30, 90];

/// Values by their older names.
type Texts = Vec<(String, String)>;

impl Service {
    /// The features of a caller by their older names, and what makes them worse than they ought to be. What is missing
    /// is left out, since text has no way to say it; that nothing could be read is an error.
    pub async fn get_legacy(
        &self,
        request: &legacy::FeatureRequest,
    ) -> Result<(legacy::FeatureResponse, BTreeSet<Degradation>), AnswerError> {
        let range_digits = self.catalog().set().settings().range_digits;
        let length = request.user_id.len();
        if length == 0 {
            return Err(RequestError::NumberMissing.into());
        }
        let number = self
            .plan()
            .parse(&request.user_id)
            .map_err(|error| RequestError::NumberInvalid { length, rule: error.to_string() })?;
        if Level::Phone.key(&number, range_digits).is_none() {
            return Err(RequestError::NumberAnonymous.into());
        }
        let as_of = self.now();
        let pinned = self.pin().await;
        let of_level = async |level: Level| -> Result<(Texts, BTreeSet<Degradation>), AnswerError> {
            let Some(key) = level.key(&number, range_digits) else { return Ok(Default::default()) };
            let named = names(self.catalog(), level);
            let asked: Vec<Asked> = named.iter().map(|(_, asked)| *asked).collect();
            let reply = self.lookup().answer(level, key, &asked, as_of, &pinned).await?;
            let texts = named.into_iter().zip(reply.values);
            let texts = texts.filter_map(|((name, _), served)| Some((name, text(served.value.ok()?.value)?)));
            Ok((texts.collect(), reply.degraded))
        };
        let (phone, prefix, range) =
            futures::try_join!(of_level(Level::Phone), of_level(Level::Prefix), of_level(Level::Range))?;
        let mut features = BTreeMap::new();
        let mut degraded = BTreeSet::new();
        for (texts, reasons) in [phone, prefix, range] {
            features.extend(texts);
            degraded.extend(reasons);
        }
        self.note_degraded(!degraded.is_empty());
        if !request.ip_address.is_empty() {
            features.insert("ip_hash".to_owned(), ip_hash(&request.ip_address));
        }
        let response = legacy::FeatureResponse { features: features.into_iter().collect(), ..Default::default() };
        Ok((response, degraded))
    }
}

impl legacy::FeatureService for Service {
    async fn get_features<'a>(
        &'a self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, legacy::FeatureRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<legacy::FeatureResponse> + Send + use<'a>> {
        let (response, degraded) = self.get_legacy(&request.to_owned_message()).await?;
        let response = Response::new(response);
        if degraded.is_empty() {
            return Ok(response);
        }
        let reasons: Vec<String> = degraded.iter().map(ToString::to_string).collect();
        Ok(response.with_header(DEGRADED_HEADER, reasons.join("; ")))
    }
}

/// The older names of a level and what they ask for, as far as the feature set has it.
fn names(catalog: &Catalog, level: Level) -> Vec<(String, Asked)> {
    let infix = match level {
        Level::Phone => "phone",
        Level::Prefix => "phone_prefix",
        Level::Range => "phone_range",
    };
    let set = catalog.set();
    let plain = |asked: &Asked| {
        let feature = catalog.feature(*asked);
        let (Formula::Slot(slot) | Formula::Rate { count: slot }) = feature.formula else { return false };
        feature.party == Party::Caller && set.slots(Party::Caller)[slot].condition.is_none()
    };
    let name = |asked: &Asked| {
        let Window::Batch(window) = asked.window else { return None };
        let days = window.days();
        if !DAYS.contains(&days) || !catalog.levels(*asked).any(|offered| offered == level) {
            return None;
        }
        match catalog.feature(*asked).aggregate {
            Aggregate::Count => Some(format!("count_{infix}_{days}d")),
            Aggregate::Rate => Some(format!("velocity_{infix}_{days}d")),
            Aggregate::ActiveDays if level == Level::Phone => Some(format!("acount_{infix}_active_{days}d")),
            _ => None,
        }
    };
    let named = catalog.all().filter(plain).filter_map(|asked| Some((name(&asked)?, asked)));
    // Of two features that are the same measure, the first in the file.
    let mut first = BTreeMap::new();
    for (name, asked) in named {
        first.entry(name).or_insert(asked);
    }
    first.into_iter().collect()
}

/// Decimal text.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Missing => None,
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Number(number) => Some(number.to_string()),
    }
}

/// The first 8 hex digits of the MD5 of an address.
fn ip_hash(ip_address: &str) -> String {
    Md5::digest(ip_address)[..4].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use features::FeatureSet;

    use super::*;

    #[test]
    fn the_default_set_has_every_older_name() {
        let catalog = Catalog::new(Arc::new(FeatureSet::default_set().unwrap()));
        let all: Vec<String> = Level::ALL.iter().flat_map(|level| names(&catalog, *level)).map(|(n, _)| n).collect();
        // Count and velocity at three levels, active days at one, over four windows.
        assert_eq!(all.len(), (3 * 2 + 1) * 4);
        for name in [
            "count_phone_7d",
            "acount_phone_active_7d",
            "velocity_phone_7d",
            "count_phone_prefix_7d",
            "velocity_phone_range_30d",
            "count_phone_range_90d",
            "velocity_phone_prefix_1d",
        ] {
            assert!(all.iter().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn a_conditional_count_is_not_the_count() {
        let catalog = Catalog::new(Arc::new(FeatureSet::default_set().unwrap()));
        let found = names(&catalog, Level::Phone);
        let (_, count) = found.iter().find(|(name, _)| name == "count_phone_7d").unwrap();
        assert_eq!(catalog.feature(*count).name, "calls");
    }

    #[test]
    fn an_address_is_hashed_as_before() {
        assert_eq!(ip_hash("192.0.2.1"), "d0f88d6c");
    }
}
