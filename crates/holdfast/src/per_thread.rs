//! What every request changes, in one copy for each thread.
//!
//! Two cores that change the same memory wait for each other each time, which takes longer than the
//! change itself. A read adds the copies up.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::{Atomic as CounterValue, Counter};
use prometheus_client::metrics::gauge::{Atomic as GaugeValue, Gauge};

/// Above this, threads share copies: what is counted by route would become large.
const MOST: usize = 32;

/// Twice the cores, because other threads than those of the runtime take numbers too.
static COPIES: LazyLock<usize> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (2 * cores).next_power_of_two().min(MOST)
});

static NUMBERED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread, which it is given when it first asks.
fn number() -> usize {
    NUMBER.get().unwrap_or_else(|| {
        let number = NUMBERED.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// On cache lines of its own; two, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// A copy of `T` for each thread.
#[derive(Debug)]
pub struct PerThread<T>(Box<[Apart<T>]>);

impl<T> PerThread<T> {
    /// Copies that `make` makes.
    pub fn new(make: impl FnMut() -> T) -> Self {
        Self(std::iter::repeat_with(make).take(*COPIES).map(Apart).collect())
    }

    /// This thread's. Another thread may have the same: it is no more this thread's own than its
    /// type makes it.
    pub fn own(&self) -> &T {
        &self.0[number() & (self.0.len() - 1)].0
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|copy| &copy.0)
    }
}

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

/// A counter of what every request does.
pub type CounterPerThread = Counter<u64, PerThread<AtomicU64>>;
/// A gauge of what every request does.
pub type GaugePerThread = Gauge<i64, PerThread<AtomicI64>>;

/// The values returned are not the former ones, which no thread knows.
impl CounterValue<u64> for PerThread<AtomicU64> {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    fn inc_by(&self, by: u64) -> u64 {
        self.own().fetch_add(by, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.all().map(|each| each.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// A gauge: what one thread adds, another may take away.
impl GaugeValue<i64> for PerThread<AtomicI64> {
    fn inc(&self) -> i64 {
        self.inc_by(1)
    }

    fn inc_by(&self, by: i64) -> i64 {
        self.own().fetch_add(by, Ordering::Relaxed)
    }

    fn dec(&self) -> i64 {
        self.inc_by(-1)
    }

    fn dec_by(&self, by: i64) -> i64 {
        self.inc_by(-by)
    }

    fn set(&self, value: i64) -> i64 {
        self.inc_by(value - self.get())
    }

    fn get(&self) -> i64 {
        self.all().map(|each| each.load(Ordering::Relaxed)).fold(0, i64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let (up, moved) = (CounterPerThread::default(), GaugePerThread::default());
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        up.inc();
                        moved.inc_by(2);
                    }
                });
            }
        });
        moved.dec_by(19_999);
        assert_eq!((up.get(), moved.get()), (10_000, 1));
        moved.set(7);
        assert_eq!(moved.get(), 7);
    }

    #[test]
    fn a_thread_keeps_its_copy() {
        let copies = PerThread::<AtomicU64>::default();
        assert!(std::ptr::eq(copies.own(), copies.own()));
        assert_eq!(copies.all().count(), *COPIES);
    }
}
