//! Writes the log on a thread of its own: code that logs must not wait for the log's reader.
//!
//! A reader that stalls (a full pipe, a slow disk) would otherwise stop every thread of the runtime
//! at its next line. Lines that find no room are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tracing_subscriber::fmt::MakeWriter;

use crate::metric::{collect, metrics};

metrics! {
    /// What is counted of the log.
    TABLE;
    DROPPED = Counter "log_lines_dropped",
        "Lines of the log that were dropped, because standard error was not read in time or could not be written",
        "The collector of the log is too slow or stands still, or its disk is full. Requests are answered all the same.";
}

/// Bytes of lines that wait to be written.
const WAITING: usize = 4 * 1024 * 1024;
/// What a waiting line takes besides its text.
const OF_EACH: usize = 64;
/// Bytes that are written at once.
const TOGETHER: usize = 64 * 1024;
/// How long the end of the process waits for the last lines, twice.
const PATIENCE: Duration = Duration::from_millis(500);

/// The writer of this process, once it has a log.
static OF_PROCESS: OnceLock<LogWriter> = OnceLock::new();

/// Hands lines to the thread that writes them. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    messages: Sender<Message>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Dropped once all lines before it are written.
    Flush(Sender<()>),
}

/// Writes the log to standard error from now on.
pub(super) fn to_stderr() -> io::Result<LogWriter> {
    let writer = LogWriter::start(io::stderr())?;
    Ok(OF_PROCESS.get_or_init(|| writer).clone())
}

/// Waits until what was logged is written, for a second at most.
pub fn flush() {
    if let Some(writer) = OF_PROCESS.get() {
        writer.flush();
    }
}

/// Writes the last lines when it is dropped, also by a panic.
#[derive(Debug)]
pub struct FlushedAtEnd;

impl Drop for FlushedAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

impl LogWriter {
    /// Starts a thread that writes to `out`.
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (messages, received) = channel();
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(&counts);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&received, out, &shared))?;
        Ok(Self { messages, counts })
    }

    fn flush(&self) {
        // The first time, that lines were dropped may be logged, which the second time writes.
        for _ in 0..2 {
            let (written, told) = channel();
            if self.messages.send(Message::Flush(written)).is_ok() {
                // Nothing comes; what is waited for is that nobody can send any more.
                let _ = told.recv_timeout(PATIENCE);
            }
        }
    }
}

impl Write for LogWriter {
    /// Takes a line, or drops it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let cost = line.len() + OF_EACH;
        let before = self.counts.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
        if before + cost > WAITING || self.messages.send(Message::Line(line.to_vec())).is_err() {
            self.counts.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Writes what comes, several lines at once where they wait.
fn write(messages: &Receiver<Message>, mut out: impl Write, counts: &Counts) {
    let (mut text, mut is_within_line, mut flushed, mut told) = (Vec::new(), false, Vec::new(), 0);
    while let Ok(first) = messages.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    text.extend_from_slice(&line);
                    counts.waiting_bytes.fetch_sub(line.len() + OF_EACH, Ordering::Relaxed);
                }
                Message::Flush(written) => flushed.push(written),
            }
            next = if text.len() < TOGETHER { messages.try_recv().ok() } else { None };
        }
        while !text.is_empty() {
            match out.write(&text) {
                Ok(written @ 1..) => {
                    is_within_line = text.drain(..written).next_back() != Some(b'\n');
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        let is_written = text.is_empty();
        // A line that was begun goes on before the next ones.
        let begun = text.split_inclusive(|byte| *byte == b'\n').next().filter(|_| is_within_line);
        let rest = text.split_off(begun.map_or(0, <[u8]>::len));
        let lost = rest.split_inclusive(|byte| *byte == b'\n').count();
        counts.dropped.fetch_add(lost.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        let dropped = counts.dropped.load(Ordering::Relaxed);
        // Told once it can be written: otherwise that line would be the next to tell of.
        if is_written && dropped > told && counts.waiting_bytes.load(Ordering::Relaxed) == 0 {
            tracing::warn!(
                lines = dropped - told,
                "lines of the log were dropped: it was not read in time, or could not be written"
            );
            told = dropped;
        }
        flushed.clear();
    }
}

/// Collects the counter of this process.
pub fn register(registry: &mut Registry) {
    collect(registry, |encoder| {
        let dropped = OF_PROCESS.get().map_or(0, |writer| writer.counts.dropped.load(Ordering::Relaxed));
        DROPPED.count(encoder, dropped)
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::SyncSender;

    use super::*;

    /// Takes what is written only when it is read.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_time() {
        let (pipe, read) = std::sync::mpsc::sync_channel(0);
        let mut log = LogWriter::start(Pipe(pipe)).unwrap();
        let line = [b'x'; 1024 - OF_EACH];
        let lines = 3 * WAITING / 1024;
        for _ in 0..lines {
            log.write_all(&line).unwrap();
        }
        let dropped = usize::try_from(log.counts.dropped.load(Ordering::Relaxed)).unwrap();
        assert!(log.counts.waiting_bytes.load(Ordering::Relaxed) <= WAITING);
        assert!(dropped >= lines / 2, "{dropped} of {lines}");
        let mut taken = 0;
        while taken < (lines - dropped) * line.len() {
            taken += read.recv().unwrap().len();
        }
        assert_eq!(taken, (lines - dropped) * line.len(), "every other line is whole");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut log = LogWriter::start(full).unwrap();
        for _ in 0..3 {
            log.write_all(b"lost\n").unwrap();
        }
        log.flush();
        assert_eq!(log.counts.dropped.load(Ordering::Relaxed), 3);
    }

    /// Takes up to so many bytes once it has room, and then nothing.
    struct Sluggish {
        takes: usize,
        has_room: Arc<AtomicBool>,
        taken: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Sluggish {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.has_room.swap(false, Ordering::SeqCst) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = &bytes[..bytes.len().min(self.takes)];
            self.taken.send(taken.to_vec()).map_err(io::Error::other)?;
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_half_written_goes_on() {
        let (taken, read) = channel();
        let has_room = Arc::<AtomicBool>::default();
        let out = Sluggish { takes: 6, has_room: Arc::clone(&has_room), taken };
        let mut log = LogWriter::start(out).unwrap();
        for (has, lines) in [(true, "one\ntwo\nthree\n"), (true, "four\n"), (true, ""), (false, "five\n")] {
            has_room.store(has, Ordering::SeqCst);
            log.write_all(lines.as_bytes()).unwrap();
            let (written, told) = channel();
            log.messages.send(Message::Flush(written)).unwrap();
            assert!(told.recv().is_err());
        }
        let written: Vec<u8> = read.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), "one\ntwo\nfour\n");
        assert_eq!(log.counts.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_was_logged_is_written_when_it_is_flushed() {
        let (pipe, read) = std::sync::mpsc::sync_channel(9);
        let mut log = LogWriter::start(Pipe(pipe)).unwrap();
        for line in ["one\n", "two\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        log.flush();
        let written: Vec<u8> = read.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), "one\ntwo\n");
    }
}
