//! What the lines of a run come to: which are there, in which order, and whether the books balance.
//!
//! A run's account (`run`) has one for each `worker`, whose `cursor` goes along the plan, and one for its main thread. The
//! numbers of each producer are a `sequence`, the lines of all of them `arrivals`. In the end comes the `balance`.

pub(super) mod arrivals;
pub(super) mod balance;
pub(super) mod cursor;
pub(super) mod damaged;
pub(super) mod entered;
pub(super) mod main_thread;
pub(super) mod numbers;
pub(super) mod order;
pub(super) mod run;
pub(super) mod sequence;
pub(super) mod worker;
