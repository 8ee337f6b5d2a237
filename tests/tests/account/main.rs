//! Commands that ask an AWS account, asked of a stand-in: what they take from a stack, and how they sign.
#![allow(clippy::unwrap_used, missing_docs)]

mod signing;
mod sigv4;
mod stack;
mod stand_in;
