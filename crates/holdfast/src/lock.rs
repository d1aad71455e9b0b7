//! A mutex whose content stays in use after a panic of its holder.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// As [`Mutex`], without poison: what is kept behind one here is never half changed, and a panic
/// in one request must not end the others.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub const fn new(content: T) -> Self {
        Self(Mutex::new(content))
    }

    /// Waits until nobody else holds it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holders_panic_leaves_it_usable() {
        let lock = Lock::new(1);
        let panicked = std::panic::catch_unwind(|| {
            let _held = lock.lock();
            panic!("while it is held");
        });
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}
