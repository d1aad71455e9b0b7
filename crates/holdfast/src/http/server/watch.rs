//! Watches one connection and cuts it where its client does nothing, or too little.
//!
//! | the connection is | since | cut after |
//! |---|---|---|
//! | silent from the beginning | it was accepted | `silent_timeout` |
//! | idle | the last answer ended | `idle_timeout` |
//! | sending a header | its first byte | `header_timeout` |
//! | at a request | | the request's own limits |
//! | not taking our bytes | the first refused write | `write_timeout` |
//! | keeping the windows of all its HTTP/2 streams shut | one of them took something last | `write_timeout` |
//!
//! A connection may also be told to close, to make room for others ([`super::places`]), but only
//! while we wait for its client. It looks into its socket first: if its client has done something
//! meanwhile, it goes on.

pub(super) mod bodies;
pub(super) mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Version;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::ServerLimits;
use crate::clock::{SharedClock, after};
use crate::lock::Lock;

/// What one connection is doing; shared by its socket, its requests and its watchman.
#[derive(Clone)]
pub(super) struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    silent: Duration,
    idle: Duration,
    header: Duration,
    write: Duration,
    doing: Lock<Doing>,
    /// Told to close, to make room. Outside of `doing`, because every read looks at it.
    is_cut: AtomicBool,
    room_wanted: Notify,
}

struct Doing {
    requests: usize,
    /// Whether we have ever found nothing to read: until then the client waits for us.
    has_kept_waiting: bool,
    /// The version of its latest request; `None` while none has ever begun here.
    asked_in: Option<Version>,
    /// Requests whose body is not there yet.
    awaited_bodies: usize,
    /// Since when the first of these bodies has been awaited.
    body_since: Option<Timestamp>,
    /// Since when it had kept us waiting when it was told to close.
    cut_since: Option<Timestamp>,
    /// `Some` once the first byte of the next header has come.
    header_since: Option<Timestamp>,
    idle_since: Timestamp,
    /// `Some` while the socket does not take what we write.
    blocked_since: Option<Timestamp>,
    /// HTTP/2 answers whose latest part, or first one, the client has not taken yet.
    untaken: usize,
    /// When the last of these was given, or another was taken or ended.
    untaken_since: Timestamp,
}

impl Doing {
    /// Since when our client has taken nothing that it could take.
    fn shut_since(&self) -> Option<Timestamp> {
        let all_shut = self.requests > 0 && self.untaken == self.requests;
        self.blocked_since.or(all_shut.then_some(self.untaken_since))
    }

    fn waiting_since(&self) -> Option<Timestamp> {
        let shut_since = self.shut_since();
        if shut_since.is_some() {
            shut_since
        } else if self.requests > 0 {
            self.body_since.filter(|_| self.awaited_bodies >= self.requests)
        } else if self.has_kept_waiting {
            self.header_since.or(Some(self.idle_since))
        } else {
            None
        }
    }
}

impl Watch {
    pub(super) fn new(limits: &ServerLimits, clock: SharedClock) -> Self {
        let idle_since = clock.now();
        let doing = Doing {
            requests: 0,
            has_kept_waiting: false,
            asked_in: None,
            awaited_bodies: 0,
            body_since: None,
            cut_since: None,
            header_since: None,
            idle_since,
            blocked_since: None,
            untaken: 0,
            untaken_since: idle_since,
        };
        Self {
            shared: Arc::new(Shared {
                clock,
                silent: limits.silent_timeout,
                idle: limits.idle_timeout,
                header: limits.header_timeout,
                write: limits.write_timeout,
                doing: Lock::new(doing),
                is_cut: AtomicBool::new(false),
                room_wanted: Notify::new(),
            }),
        }
    }

    /// Resolves when the connection has to be cut.
    pub(super) async fn expired(&self) {
        loop {
            let now = self.shared.clock.now();
            let deadline = self.deadline();
            if deadline.is_some_and(|at| at <= now) {
                return;
            }
            // What the connection is doing may change while we wait, and with it the deadline:
            // never look away for longer than the shortest limit.
            let look_again = after(now, self.shared.header.min(self.shared.write));
            tokio::select! {
                () = self.shared.clock.sleep_until(deadline.unwrap_or(look_again).min(look_again)) => {}
                () = self.shared.room_wanted.notified() => {
                    // The connection looks into its socket once more.
                    tokio::task::yield_now().await;
                    if self.gives_way() {
                        return;
                    }
                }
            }
        }
    }

    /// Since when the server has only been waiting for this client; `None` while it is at work.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        self.lock().waiting_since()
    }

    /// Whether a request has ever begun here.
    pub(super) fn has_asked(&self) -> bool {
        self.lock().asked_in.is_some()
    }

    /// Whether its requests came in HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.lock().asked_in == Some(Version::HTTP_2)
    }

    /// Since when no request has been under way; `None` during a request or its header.
    pub(super) fn quiet_since(&self) -> Option<Timestamp> {
        let doing = self.lock();
        (doing.requests == 0 && doing.header_since.is_none()).then_some(doing.idle_since)
    }

    /// Tells the connection to close, to make room, unless its client has just done something.
    pub(super) fn cut(&self) {
        let mut doing = self.lock();
        doing.cut_since = doing.waiting_since();
        self.shared.is_cut.store(true, Ordering::Relaxed);
        self.shared.room_wanted.notify_one();
    }

    /// Whether it was told to make room.
    pub(super) fn is_cut(&self) -> bool {
        self.shared.is_cut.load(Ordering::Relaxed)
    }

    /// Whether it still waits for what it waited for when it was told to close; else it goes on.
    fn gives_way(&self) -> bool {
        let doing = self.lock();
        let since = doing.waiting_since();
        let gives_way = since.is_some() && since == doing.cut_since;
        self.shared.is_cut.store(gives_way, Ordering::Relaxed);
        gives_way
    }

    fn deadline(&self) -> Option<Timestamp> {
        let doing = self.lock();
        let write = doing.shut_since().map(|at| after(at, self.shared.write));
        let read = if doing.requests > 0 {
            None
        } else if let Some(since) = doing.header_since {
            Some(after(since, self.shared.header))
        } else if doing.asked_in.is_some() {
            Some(after(doing.idle_since, self.shared.idle))
        } else {
            Some(after(doing.idle_since, self.shared.silent))
        };
        [write, read].into_iter().flatten().min()
    }

    /// A header is complete; the guard is held until its answer is sent or given up.
    pub(super) fn request_begins(&self, version: Version) -> Busy {
        let mut doing = self.lock();
        doing.requests += 1;
        doing.asked_in = Some(version);
        doing.header_since = None;
        Busy { watch: self.clone(), is_http2: version == Version::HTTP_2, is_untaken: false }
    }

    /// A request's body is to come; the guard is held until it has.
    pub(super) fn body_awaited(&self) -> Awaited {
        let now = self.shared.clock.now();
        let mut doing = self.lock();
        doing.awaited_bodies += 1;
        doing.body_since.get_or_insert(now);
        Awaited { watch: self.clone() }
    }

    /// There is nothing to read.
    pub(super) fn nothing_came(&self) {
        self.lock().has_kept_waiting = true;
    }

    fn bytes_came(&self) {
        let mut doing = self.lock();
        if doing.requests == 0 && doing.header_since.is_none() {
            doing.header_since = Some(self.shared.clock.now());
        }
    }

    fn write_done(&self) {
        self.lock().blocked_since = None;
    }

    fn write_blocked(&self) {
        let mut doing = self.lock();
        if doing.blocked_since.is_none() {
            doing.blocked_since = Some(self.shared.clock.now());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Doing> {
        self.shared.doing.lock()
    }
}

/// A request is under way as long as this lives.
pub(super) struct Busy {
    watch: Watch,
    is_http2: bool,
    /// Whether the client has to take what we gave last.
    is_untaken: bool,
}

impl Busy {
    /// Notes whose turn it is: the client's, or ours. In HTTP/1 the socket tells.
    fn untaken(&mut self, is_untaken: bool) {
        let before = std::mem::replace(&mut self.is_untaken, is_untaken && self.is_http2);
        if !before && !self.is_untaken {
            return;
        }
        let now = self.watch.shared.clock.now();
        let mut doing = self.watch.lock();
        doing.untaken = (doing.untaken + usize::from(self.is_untaken)).saturating_sub(usize::from(before));
        doing.untaken_since = now;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.untaken(false);
        let now = self.watch.shared.clock.now();
        let mut doing = self.watch.lock();
        doing.requests = doing.requests.saturating_sub(1);
        doing.idle_since = now;
    }
}

/// A body is waited for as long as this lives.
pub(super) struct Awaited {
    watch: Watch,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut doing = self.watch.lock();
        doing.awaited_bodies = doing.awaited_bodies.saturating_sub(1);
        if doing.awaited_bodies == 0 {
            doing.body_since = None;
        }
    }
}

#[cfg(test)]
mod tests;
