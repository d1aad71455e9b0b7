//! Bounds on event streams: open ones per user and in all, and how many read the database at once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::metrics::Metrics;
use super::problem::{Problem, RequestCode, ServerCode};

use crate::lock::Lock;

/// Open streams of one user: tabs and devices.
const MAX_PER_USER: usize = 12;
/// Open streams in all. Fewer than connections, so that streams leave room for ordinary requests.
pub const MAX_IN_ALL: usize = 2048;
/// Streams that read their status at once. Fewer than the store's connections: when all streams
/// have to read because notices were missed, ordinary requests must not queue behind them.
const MAX_LOOKING: usize = 4;

/// The open streams.
#[derive(Debug, Clone)]
pub struct Streams {
    open: Arc<Lock<Open>>,
    looking: Arc<Semaphore>,
    most: usize,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Open {
    in_all: usize,
    by_user: HashMap<String, usize>,
}

impl Streams {
    /// None open yet, of `most` at a time.
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self { open: Arc::default(), looking: Arc::new(Semaphore::new(MAX_LOOKING)), most, metrics }
    }

    /// A place for one more stream of this user; given back when dropped.
    pub fn open(&self, user_id: &str) -> Result<Place, Problem> {
        let mut open = self.open.lock();
        if open.in_all >= self.most {
            return Err(ServerCode::Overloaded.into());
        }
        let own = open.by_user.entry(user_id.to_owned()).or_default();
        if *own >= MAX_PER_USER {
            return Err(RequestCode::TooManyStreams.into());
        }
        *own += 1;
        open.in_all += 1;
        self.metrics.streams.inc();
        Ok(Place { streams: self.clone(), user_id: user_id.to_owned() })
    }
}

/// A place for one stream.
#[derive(Debug)]
pub struct Place {
    streams: Streams,
    user_id: String,
}

impl Place {
    /// Waits for this stream's turn to read; the turn ends when the permit is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // An error would mean that the semaphore was closed, which nobody does.
        self.streams.looking.acquire().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock();
        open.in_all = open.in_all.saturating_sub(1);
        if let Some(own) = open.by_user.get_mut(&self.user_id) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_user.remove(&self.user_id);
            }
        }
        self.streams.metrics.streams.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_bounded_number_of_streams_and_gets_places_back() {
        let streams = Streams::new(MAX_IN_ALL, Metrics::default());
        let mut held: Vec<_> = (0..MAX_PER_USER).map(|_| streams.open("user_a").unwrap()).collect();
        assert_eq!(streams.open("user_a").unwrap_err().code(), RequestCode::TooManyStreams.into());
        streams.open("user_b").unwrap();
        held.pop();
        held.push(streams.open("user_a").unwrap());
        drop(held);
        assert!(streams.open.lock().by_user.is_empty());
        assert_eq!(streams.metrics.streams.get(), 0);
    }

    #[test]
    fn there_is_a_bound_in_all() {
        let streams = Streams::new(3, Metrics::default());
        let held: Vec<_> = (0..3).map(|n| streams.open(&format!("user_{n}")).unwrap()).collect();
        assert_eq!(streams.open("user_x").unwrap_err().code(), ServerCode::Overloaded.into());
        drop(held);
        streams.open("user_x").unwrap();
    }
}
