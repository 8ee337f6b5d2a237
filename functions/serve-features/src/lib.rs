//! The feature service: reads tiles and snapshots, merges them, and answers gRPC, gRPC-Web and Connect.
//!
//! [`Service`] is the RPC surface. It runs on a port ([`native`]) and behind a Lambda function URL ([`lambda`]).
//! The calendar arithmetic of merging is pure ([`merge`]); stores are reached through the narrow ports of
//! [`sources`]. [`front`] decides who may ask, [`limits`] has how much of it. Missing is said, not defaulted: a value
//! that cannot be given has a reason in its place.

pub mod access;
pub mod answer_log;
pub mod catalog;
pub mod client;
pub mod deadline;
pub mod error;
pub mod front;
pub mod lambda;
pub mod limits;
pub mod lookup;
pub mod merge;
pub mod metrics_page;
pub mod native;
pub mod outage;
pub mod request;
pub mod secret_file;
pub mod sources;
pub mod stores;
pub mod watch;
pub mod web;

mod degradation;
mod held;
mod json_form;
mod legacy;
pub mod response;
mod router;
mod series;
mod service;
mod service_metrics;

pub use degradation::Degradation;
pub use legacy::DEGRADED_HEADER;
pub use limits::{DEADLINE_DEFAULT, DEADLINE_MAX, REQUEST_BYTES_MAX};
pub use router::{answering, router};
pub use service::{Clock, ENTITIES_MAX, Service, VALUES_MAX};
