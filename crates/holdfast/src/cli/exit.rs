//! How a command ends.

use std::process::ExitCode;

use crate::entropy::EntropyExhausted;
use crate::telemetry::TelemetryError;

/// How a command ended. Nothing else decides the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// 0: done, or the answer is yes.
    Success = 0,
    /// 1: done, and the answer is no.
    Failure = 1,
    /// 2: usage or configuration; for `token explain` also "cannot judge".
    Usage = 2,
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work: one clear sentence, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// One sentence; never a secret.
    pub sentence: String,
    /// What to do, where we know.
    pub remedy: Option<String>,
    /// How the process ends.
    pub exit: ExitStatus,
}

impl Failure {
    /// Something about the usage, the configuration or this machine is wrong: exit code 2.
    pub fn setup(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), remedy: Some(remedy.into()), exit: ExitStatus::Usage }
    }

    /// The work was refused or did not succeed: exit code 1.
    pub fn no(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), remedy: None, exit: ExitStatus::Failure }
    }

    /// The same, with what would mend it.
    #[must_use]
    pub fn mended_by(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// What a command returns.
pub type Outcome = Result<ExitStatus, Failure>;

/// A failure whose sentence already says what to do.
pub fn told(error: impl std::fmt::Display) -> Failure {
    Failure { sentence: error.to_string(), remedy: None, exit: ExitStatus::Usage }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        let remedy = match error {
            TelemetryError::Thread(_) => "see `ulimit -a`",
            TelemetryError::Filter | TelemetryError::Twice => "correct HOLDFAST_LOG",
        };
        Self::setup(error.to_string(), remedy)
    }
}

impl From<EntropyExhausted> for Failure {
    fn from(error: EntropyExhausted) -> Self {
        Self::setup(error.to_string(), "look at the system's log")
    }
}
