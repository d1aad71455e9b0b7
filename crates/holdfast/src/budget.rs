//! How much this process serves at once: what the configuration asks for, within what the machine
//! allows.
//!
//! Each bound lies below the one before, so that a place for a connection is always left:
//! connections, then event streams (half of them at most), then requests under way.

use std::num::NonZeroUsize;

use crate::http::RequestLimits;
use crate::http::streams::MAX_IN_ALL as MAX_STREAMS;
use crate::process::FileHandles;
use crate::settings::Settings;

/// Bounds on what is served at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Connections.
    pub connections: usize,
    /// Event streams.
    pub streams: usize,
    /// Requests under way.
    pub requests: RequestLimits,
}

impl Budget {
    /// What `settings` ask for, within what `handles` allow. The log says where that is less.
    pub fn of(settings: &Settings, handles: FileHandles) -> Self {
        let wanted = settings.max_connections.get();
        let per_address = settings.requests_per_address.map(NonZeroUsize::get);
        let budget = Self::within(wanted, settings.max_requests.get(), per_address, handles);
        let Self { connections, streams, requests } = budget;
        if connections < wanted {
            tracing::warn!(
                connections,
                wanted,
                file_handles = handles.now,
                "the limit of open files (ulimit -n) allows fewer connections than HOLDFAST_MAX_CONNECTIONS"
            );
        }
        tracing::info!(
            connections,
            event_streams = streams,
            requests = requests.in_all.saturating_add(requests.reserved),
            file_handles = handles.now,
            file_handles_before = handles.before,
            "served at a time"
        );
        budget
    }

    fn within(connections: usize, requests: usize, per_address: Option<usize>, handles: FileHandles) -> Self {
        let connections = connections.min(handles.for_connections());
        let streams = (connections / 2).clamp(1, MAX_STREAMS);
        // A quarter more than configured is reserved for addresses with few requests under way. In
        // all they stay below what event streams leave, so that connections without a request
        // always have room.
        let room = connections.saturating_sub(streams) / 5 * 4;
        let in_all = requests.min((room / 5 * 4).max(1));
        Self {
            connections,
            streams,
            requests: RequestLimits { in_all, reserved: in_all.div_ceil(4), per_address },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_had_where_the_machine_has_it() {
        let handles = FileHandles { before: 1024, now: 1 << 20 };
        let Budget { connections, streams, requests } = Budget::within(8192, 1024, None, handles);
        assert_eq!((connections, streams, requests.in_all, requests.reserved), (8192, 2048, 1024, 256));
    }

    #[test]
    fn a_place_is_left_beside_streams_and_requests_however_few_there_are() {
        for now in (0..5000).chain([65_536, usize::MAX]) {
            let Budget { connections, streams, requests } =
                Budget::within(4096, 1024, None, FileHandles { before: now, now });
            let taken = streams + requests.in_all + requests.reserved;
            assert!(connections < 16 || taken < connections, "{now}: {taken} of {connections}");
            assert!(streams > 0 && requests.in_all > 0);
        }
    }
}
