//! A lock that is taken only if nobody holds it.

use std::sync::{TryLockError, TryLockResult};

/// What guards the lock, out of any poison; none if somebody holds it. Whoever asks has a policy for what poison means.
#[inline]
pub fn if_free<G>(attempt: TryLockResult<G>) -> Option<G> {
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
