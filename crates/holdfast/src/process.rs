//! What the operating system grants this process: file handles, and whether it may leave a core
//! file behind.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of the metrics listener at once: scrapers and operators.
pub const OPERATORS: usize = 32;
/// Handles that the service itself needs at most: database, journal, listeners, log, operators, and
/// outgoing connections ([`crate::transport`] bounds those for each host).
pub const OWN_HANDLES: usize = 352 + OPERATORS;

/// With fewer handles a server does not start: half of them go to connections, and it holds thirty
/// itself before anybody has connected.
pub const LEAST_HANDLES: usize = 128;

/// How many file handles this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHandles {
    /// Before this process raised it.
    pub before: usize,
    /// Now.
    pub now: usize,
}

impl FileHandles {
    /// Raises the soft limit to the hard one. A limit that cannot be raised stays as it is.
    pub fn raised() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let before = to_count(current);
        if current == maximum {
            return Self { before, now: before };
        }
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => Self { before, now: to_count(maximum) },
            Err(error) => {
                tracing::warn!(%error, limit = before, "the limit of open files cannot be raised");
                Self { before, now: before }
            }
        }
    }

    /// What [`Self::raised`] can reach.
    pub fn attainable() -> usize {
        to_count(getrlimit(Resource::Nofile).maximum)
    }

    /// Handles left for connections after what the service itself needs, but at least half of all.
    pub fn for_connections(self) -> usize {
        self.now.saturating_sub(OWN_HANDLES).max(self.now / 2).max(1)
    }
}

/// No limit counts as the largest number.
fn to_count(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Keeps the operating system from writing a core file, which would hold keys and grants. Child
/// processes inherit the limit.
pub fn forbid_core_files() {
    // One byte, not zero: a program in `core_pattern` (`|`) gets every core, unless the limit is
    // one.
    let one = Some(1);
    // Refused only where the limit is none already.
    let _ = setrlimit(Resource::Core, Rlimit { current: one, maximum: one });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_what_is_left() {
        let left = |now| FileHandles { before: now, now }.for_connections();
        assert_eq!([left(1024), left(65536), left(256), left(0)], [640, 65152, 128, 1]);
    }
}
