//! One log line per refusal, and few lines under a flood.
//!
//! A line identifies the token by a fingerprint, which shows that two lines are about one token and
//! is useless for anything else. `holdfast token explain` prints the same one.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::is_over;
use crate::lock::Lock;

/// Lines of one code within [`WINDOW`]; further ones are counted and reported with the next line.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// What a line says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) code: &'static str,
    /// Where in the verdict it was refused.
    pub(super) step: &'a str,
    /// Everything that was found, for the operator: more than the caller is told.
    pub(super) detail: &'a str,
    /// `None` where no token was sent.
    pub(super) token: Option<&'a str>,
    pub(super) request_id: &'a str,
}

/// Keeps one count per code; the list of codes is short and fixed.
#[derive(Debug, Default)]
pub struct RefusalLog {
    windows: Lock<BTreeMap<&'static str, Window>>,
}

#[derive(Debug)]
struct Window {
    began: Timestamp,
    lines: u32,
    suppressed: u64,
}

impl RefusalLog {
    pub(super) fn write(&self, line: Line<'_>, now: Timestamp) {
        let Some(suppressed) = self.admit(line.code, now) else { return };
        let Line { code, step, detail, token, request_id } = line;
        let fingerprint = token.map(clerk_session::fingerprint);
        tracing::info!(
            code,
            step,
            detail,
            fingerprint = fingerprint.as_deref(),
            request_id,
            suppressed,
            "session token refused"
        );
    }

    /// Logs a token that was accepted only because parties are not enforced.
    pub(super) fn would_refuse(&self, party: Option<&str>, request_id: &str, now: Timestamp) {
        if let Some(suppressed) = self.admit("would-refuse", now) {
            tracing::info!(
                party,
                request_id,
                suppressed,
                "CLERK_AUTHORIZED_PARTIES_MODE=enforce would refuse this token"
            );
        }
    }

    /// How many lines of this code were left out since the last one; `None` where this one is left
    /// out too.
    pub fn admit(&self, code: &'static str, now: Timestamp) -> Option<u64> {
        let mut windows = self.windows.lock();
        let window = windows.entry(code).or_insert(Window { began: now, lines: 0, suppressed: 0 });
        if is_over(window.began, WINDOW, now) {
            window.began = now;
            window.lines = 0;
        }
        if window.lines >= LINES {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_flood_is_counted_instead_of_written_and_hides_no_other_code() {
        let log = RefusalLog::default();
        let written = (0..1000).filter(|_| log.admit("token-expired", at(0)).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(log.admit("token-invalid", at(0)), Some(0));
        assert_eq!(log.admit("token-expired", at(10)), Some(980));
        assert_eq!(log.admit("token-expired", at(10)), Some(0));
    }

    #[test]
    fn a_clock_set_back_silences_nothing() {
        let log = RefusalLog::default();
        for _ in 0..20 {
            log.admit("token-expired", at(100));
        }
        assert_eq!(log.admit("token-expired", at(50)), Some(0));
    }
}
