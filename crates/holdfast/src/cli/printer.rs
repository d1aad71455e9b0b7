//! The one way to the terminal: answers go to standard output, everything about them to standard
//! error.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat, stat};

use crate::settings::Environment;

/// Writes for people and for programs. A reader that went away (`| head`) is no error; an answer
/// that could not be written (a full disk) is.
pub struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    colour: Colour,
    /// Why part of the answer was not written.
    lost: Option<io::Error>,
    is_unread: bool,
}

/// Which of the two streams may be coloured. Everything must read as well without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

impl Colour {
    /// No colour anywhere.
    pub const NEVER: Self = Self { out: false, err: false };

    /// Colour on terminals, unless `--no-color`, `NO_COLOR` (no-color.org) or a dumb terminal says
    /// otherwise.
    pub fn detect(environment: &Environment, refused: bool) -> Self {
        if refused || environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb") {
            return Self::NEVER;
        }
        Self { out: io::stdout().is_terminal(), err: io::stderr().is_terminal() }
    }
}

/// How a piece of text is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Headings and names.
    Bold,
    /// Passed.
    Good,
    /// Failed.
    Bad,
    /// Worth a look.
    Caution,
    /// Hints and addresses.
    Hint,
    /// Beside the point.
    Faint,
}

impl Tone {
    fn sequence(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[1;31m",
            Self::Caution => "\x1b[33m",
            Self::Hint => "\x1b[36m",
            Self::Faint => "\x1b[2m",
        }
    }
}

impl Printer {
    /// A printer to the process's own streams.
    pub fn standard(colour: Colour) -> Self {
        let printer = Self::to(Box::new(io::stdout()), Box::new(io::stderr()), colour);
        Self { is_unread: is_null(io::stdout()), ..printer }
    }

    /// A printer to anything.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, colour: Colour) -> Self {
        Self { out, err, colour, lost: None, is_unread: false }
    }

    /// One line of the answer.
    pub fn line(&mut self, text: impl AsRef<str>) {
        if let Err(error) = Self::write(&mut self.out, text.as_ref()) {
            self.lost.get_or_insert(error);
        }
    }

    /// One JSON document on one line of the answer.
    pub fn json(&mut self, value: &serde_json::Value) {
        self.line(value.to_string());
    }

    /// One JSON document of the answer, indented.
    pub fn pretty_json(&mut self, value: &serde_json::Value) {
        self.line(format!("{value:#}"));
    }

    /// Why part of the answer reached nobody; a reader that went away counts too.
    pub fn lost(&self) -> Option<&io::Error> {
        self.lost.as_ref()
    }

    /// Why part of the answer was not written although somebody waits for it.
    pub fn failed(&self) -> Option<&io::Error> {
        self.lost().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Whether the answer goes to `/dev/null`, which Rust also opens where standard output is
    /// closed (`>&-`): writing there succeeds, and nobody reads it.
    pub fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// A remark, on standard error.
    pub fn remark(&mut self, text: impl AsRef<str>) {
        let _ = Self::write(&mut self.err, text.as_ref());
    }

    /// A warning, on standard error.
    pub fn warning(&mut self, text: impl AsRef<str>) {
        let label = Self::paint(self.colour.err, Tone::Caution, "warning:");
        let _ = Self::write(&mut self.err, &format!("{label} {}", text.as_ref()));
    }

    /// An error with what would mend it, on standard error.
    pub fn error(&mut self, sentence: &str, remedy: Option<&str>) {
        let label = Self::paint(self.colour.err, Tone::Bad, "error:");
        let _ = Self::write(&mut self.err, &format!("{label} {sentence}"));
        if let Some(remedy) = remedy {
            let label = Self::paint(self.colour.err, Tone::Hint, "hint:");
            let _ = Self::write(&mut self.err, &format!("{label} {remedy}"));
        }
    }

    /// `text` set off for standard output.
    pub fn tone(&self, tone: Tone, text: &str) -> String {
        Self::paint(self.colour.out, tone, text)
    }

    fn paint(colour: bool, tone: Tone, text: &str) -> String {
        if colour { format!("{}{text}\x1b[0m", tone.sequence()) } else { text.to_owned() }
    }

    /// A failure of standard error is told nowhere: there is no third stream.
    fn write(stream: &mut Box<dyn Write + Send>, text: &str) -> io::Result<()> {
        writeln!(stream, "{text}").and_then(|()| stream.flush())
    }
}

/// Whether that is `/dev/null`.
fn is_null(stream: impl AsFd) -> bool {
    let (Ok(stream), Ok(null)) = (fstat(stream), stat("/dev/null")) else { return false };
    FileType::from_raw_mode(stream.st_mode).is_char_device() && stream.st_rdev == null.st_rdev
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_refuse_colour() {
        assert_eq!(Colour::detect(&Environment::of([("NO_COLOR", "1")]), false), Colour::NEVER);
        assert_eq!(Colour::detect(&Environment::of([("TERM", "dumb")]), false), Colour::NEVER);
    }

    #[test]
    fn text_reads_the_same_without_colour() {
        let plain = Printer::to(Box::new(io::sink()), Box::new(io::sink()), Colour::NEVER);
        assert_eq!(plain.tone(Tone::Good, "passed"), "passed");
        let coloured =
            Printer::to(Box::new(io::sink()), Box::new(io::sink()), Colour { out: true, err: true });
        assert_eq!(coloured.tone(Tone::Good, "passed"), "\x1b[32mpassed\x1b[0m");
    }
}
