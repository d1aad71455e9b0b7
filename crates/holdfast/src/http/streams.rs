//! Bounds on event streams: open ones per user and in all, and how many read the database at once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

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
    next: u64,
    in_all: usize,
    /// Oldest first.
    by_user: HashMap<String, Vec<OpenStream>>,
}

#[derive(Debug)]
struct OpenStream {
    id: u64,
    /// Cancelled to make room.
    gives_way: CancellationToken,
}

impl Open {
    fn of(&self, user_id: &str) -> usize {
        self.by_user.get(user_id).map_or(0, Vec::len)
    }

    /// Forgets the stream; `None` where it has been forgotten.
    fn remove(&mut self, user_id: &str, id: u64) -> Option<OpenStream> {
        let own = self.by_user.get_mut(user_id)?;
        let at = own.iter().position(|held| held.id == id)?;
        let held = own.remove(at);
        if own.is_empty() {
            self.by_user.remove(user_id);
        }
        self.in_all -= 1;
        Some(held)
    }

    /// Ends the newest stream of the user with most streams, if that user has at least two more
    /// than the asker: with one more, the two would take the place from each other for ever.
    fn make_room_for(&mut self, user_id: &str) -> bool {
        let most = self.by_user.iter().max_by(|a, b| (a.1.len(), b.0).cmp(&(b.1.len(), a.0)));
        let Some((busiest, held)) = most.filter(|(_, held)| held.len() > self.of(user_id) + 1) else {
            return false;
        };
        let (busiest, newest) = (busiest.clone(), held.last().map(|held| held.id));
        let ended = newest.and_then(|id| self.remove(&busiest, id));
        ended.inspect(|held| held.gives_way.cancel()).is_some()
    }
}

impl Streams {
    /// None open yet, of `most` at a time.
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self { open: Arc::default(), looking: Arc::new(Semaphore::new(MAX_LOOKING)), most, metrics }
    }

    /// A place for one more stream of this user; given back when dropped. Where all are taken, a
    /// user with many makes room for one with fewer.
    pub fn open(&self, user_id: &str) -> Result<StreamPlace, Problem> {
        let mut open = self.open.lock();
        if open.of(user_id) >= MAX_PER_USER {
            return Err(RequestCode::TooManyStreams.into());
        }
        if open.in_all >= self.most && !open.make_room_for(user_id) {
            return Err(ServerCode::Overloaded.into());
        }
        let id = open.next;
        open.next += 1;
        let gives_way = CancellationToken::new();
        let held = OpenStream { id, gives_way: gives_way.clone() };
        open.by_user.entry(user_id.to_owned()).or_default().push(held);
        open.in_all += 1;
        self.metrics.streams.inc();
        Ok(StreamPlace { streams: self.clone(), user_id: user_id.to_owned(), id, gives_way })
    }
}

/// A place for one stream.
#[derive(Debug)]
pub struct StreamPlace {
    streams: Streams,
    user_id: String,
    id: u64,
    gives_way: CancellationToken,
}

impl StreamPlace {
    /// Waits for this stream's turn to read; the turn ends when the permit is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // An error would mean that the semaphore was closed, which nobody does.
        self.streams.looking.acquire().await.ok()
    }

    /// Resolves when the stream has to end, to make room for another user's.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.streams.open.lock().remove(&self.user_id, self.id);
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
    fn who_has_many_makes_room_for_who_has_fewer() {
        let streams = Streams::new(6, Metrics::default());
        let greedy: Vec<_> = (0..4).map(|_| streams.open("user_a").unwrap()).collect();
        let other: Vec<_> = (0..2).map(|_| streams.open("user_b").unwrap()).collect();
        let ended =
            |held: &[StreamPlace]| held.iter().map(|each| each.gives_way.is_cancelled()).collect::<Vec<_>>();
        let _stranger = streams.open("user_x").unwrap();
        assert_eq!(ended(&greedy), [false, false, false, true], "its newest");
        assert_eq!(ended(&other), [false; 2]);
        assert_eq!(streams.open("user_a").unwrap_err().code(), ServerCode::Overloaded.into());
        assert_eq!(streams.open("user_b").unwrap_err().code(), ServerCode::Overloaded.into());
        let _second = streams.open("user_x").unwrap();
        assert_eq!(ended(&greedy), [false, false, true, true]);
        assert_eq!(streams.open("user_x").unwrap_err().code(), ServerCode::Overloaded.into());
        assert_eq!(streams.open.lock().in_all, 6);
        drop(greedy);
        assert_eq!(streams.open.lock().in_all, 4, "what had ended is given back once");
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
