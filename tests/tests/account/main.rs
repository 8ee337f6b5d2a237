//! Commands that ask an AWS account, asked of a stand-in: what they take from a stack, how they sign, and what `doctor`
//! says.
#![allow(clippy::unwrap_used, missing_docs)]

mod doctor;
mod signing;
mod sigv4;
mod stack;
mod stand_in;
