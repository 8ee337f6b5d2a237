//! The service end to end: in process over fakes of the stores, and over the network.

// Caller and callee are the words of the trade.
#![allow(clippy::similar_names, clippy::unwrap_used)]

mod access;
mod answer_log;
mod answers;
mod connections;
mod decoding;
mod garbage;
mod page;
mod protocols;
mod running;
mod series;
mod stores;
mod training;
mod watched;
mod world;
