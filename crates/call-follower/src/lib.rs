//! Files that a switch still writes: their rows once each, across rotations and crashes.
//!
//! A [`Follower`] reads what was written since it looked last, makes calls of it, and keeps a resume point. The order is
//! what makes it safe: which rows a call is made of is on the disk before the call is handed out, and that they are done
//! is noted after the call was confirmed. So at every moment each row is unread, open (read, and its call not whole),
//! being put (the call may be on the stream), or done; a crash leaves it one of these, and a call that is put twice is
//! made of the same rows, so that it is the same call. Time comes in as a parameter.

mod error;
mod followed;
mod follower;
mod glance;
mod limits;
mod merging;
mod notice;
mod plan;
mod resume;
mod rows;
mod step;
mod switch_clock;

pub use error::FollowError;
pub use follower::{Follower, Settings};
pub use notice::Notice;
pub use step::Step;
