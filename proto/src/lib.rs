//! The protobuf definitions and the code made from them at build time, in pure Rust.
//!
//! - [`call`]: the call record as it comes in on the stream.
//! - [`v1`] (feature `service`): `tollwatch.v1.FeatureService`, its messages, server trait and client.
//! - [`legacy`] (feature `service`): the interface that clients of an older calculator call.

/// Milliseconds of time in a timestamp, and back.
mod timestamp;

pub use buffa_types::google::protobuf::Timestamp;
pub use timestamp::{from_millis, to_millis};

/// The call record and its enums (`tollwatch/v1/call_record.proto`), without JSON: the JSON form of a call
/// record has a parser of its own in `crates/cdr`.
pub mod call {
    pub use crate::messages::tollwatch::v1::{CallRecord, Channel, Outcome};
}

/// The feature service (`tollwatch/v1/feature_service.proto`).
#[cfg(feature = "service")]
pub mod v1 {
    pub use crate::services::tollwatch::v1::*;

    /// The value of a feature, `FeatureValue.value`.
    pub use crate::services::tollwatch::v1::__buffa::oneof::feature_value::Value;

    /// The value of a point of a series, `SeriesPoint.value`.
    pub use crate::services::tollwatch::v1::__buffa::oneof::series_point::Value as SeriesValue;

    /// The result of one entity of a batch, `EntityResult.result`.
    pub use crate::services::tollwatch::v1::__buffa::oneof::entity_result::Result as EntityOutcome;
}

/// The older service (`legacy_feature_service.proto`).
#[cfg(feature = "service")]
pub mod legacy {
    pub use crate::services::{
        FEATURE_SERVICE_SERVICE_NAME, FeatureRequest, FeatureResponse, FeatureService, FeatureServiceClient,
        FeatureServiceExt, FeatureServiceServer,
    };
}

/// The descriptors of both services and all that they import, for the reflection service.
#[cfg(feature = "service")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/services/descriptors.bin"));

/// The JSON form of both services as OpenAPI 3.1, in YAML: made from the `.proto` files and their comments.
#[cfg(feature = "service")]
pub const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/services/openapi.yaml"));

#[allow(dead_code, missing_docs, unused_imports, clippy::all, clippy::pedantic, clippy::unwrap_used)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/messages/mod.rs"));
}

#[cfg(feature = "service")]
#[allow(dead_code, missing_docs, unused_imports, clippy::all, clippy::pedantic, clippy::unwrap_used)]
mod services {
    include!(concat!(env!("OUT_DIR"), "/services/mod.rs"));
}
