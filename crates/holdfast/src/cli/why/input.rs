//! Standard input that may stay open for ever.

use std::io::{self, Cursor, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// A reader that ends as well where nothing more comes for a while.
pub(super) struct Patient {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    patience: Duration,
    /// Whether it ended because nothing more came.
    pub(super) was_silent: bool,
}

impl Patient {
    /// Reads in a thread that is left behind: it may wait for ever.
    pub(super) fn of(mut reader: impl Read + Send + 'static, patience: Duration) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(1);
        thread::Builder::new().name("standard input".to_owned()).spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = reader.read(&mut chunk).map(|length| {
                    chunk.truncate(length);
                    chunk
                });
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, chunk: Cursor::default(), patience, was_silent: false })
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            match self.chunks.recv_timeout(self.patience) {
                Ok(chunk) => self.chunk = Cursor::new(chunk?),
                Err(RecvTimeoutError::Timeout) => self.was_silent = true,
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        self.chunk.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_open_and_gives_nothing_is_not_waited_for() {
        let read = |mut input: Patient| {
            let mut text = String::new();
            input.read_to_string(&mut text).unwrap();
            (text, input.was_silent)
        };
        let (mut writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        io::Write::write_all(&mut writer, b"a line\n").unwrap();
        let open = Patient::of(reader, Duration::from_millis(20)).unwrap();
        assert_eq!(read(open), ("a line\n".to_owned(), true));
        let whole = Patient::of(&b"a line\n"[..], Duration::from_mins(1)).unwrap();
        assert_eq!(read(whole), ("a line\n".to_owned(), false));
    }
}
