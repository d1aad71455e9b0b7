//! Why this server is not ready: said when it begins, once a minute while it lasts, and when it is
//! over, however often somebody asks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::is_over;
use crate::lock::Lock;

/// How often it is said anew.
const EVERY: Duration = Duration::from_mins(1);

/// When it was said last; `None` while the server is ready.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadinessLog(Arc<Lock<Option<Timestamp>>>);

impl ReadinessLog {
    /// Writes down what was found, where it is new.
    pub(super) fn write(&self, why: Option<String>, now: Timestamp) {
        let mut said = self.0.lock();
        match (why, *said) {
            (None, None) => {}
            (None, Some(_)) => {
                *said = None;
                tracing::info!("ready again");
            }
            (Some(_), Some(at)) if !is_over(at, EVERY, now) => {}
            (Some(why), _) => {
                *said = Some(now);
                tracing::warn!(why, "not ready");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::clock::after;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_outage_is_a_line_a_minute_however_often_somebody_asks() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let log = ReadinessLog::default();
            let began = Timestamp::UNIX_EPOCH;
            log.write(None, began);
            for second in 0..90 {
                log.write(Some("the database is away".to_owned()), after(began, Duration::from_secs(second)));
            }
            for second in 90..100 {
                log.write(None, after(began, Duration::from_secs(second)));
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!((said("not ready"), said("ready again"), text.lines().count()), (2, 1, 3), "{text}");
    }
}
