//! How a command ends.

use std::process::ExitCode;

/// How a command ended. Nothing else decides the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or the answer is yes.
    Fine,
    /// 1: done, and the answer is no.
    No,
    /// 2: usage or configuration; for `token explain` also "cannot judge".
    Usage,
}

impl Exit {
    /// The number that scripts see.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::No => 1,
            Self::Usage => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
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
    pub exit: Exit,
}

impl Failure {
    /// Something about the usage, the configuration or this machine is wrong: exit code 2.
    pub fn setup(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), remedy: Some(remedy.into()), exit: Exit::Usage }
    }

    /// The work was refused or did not succeed: exit code 1.
    pub fn no(sentence: impl Into<String>, remedy: Option<String>) -> Self {
        Self { sentence: sentence.into(), remedy, exit: Exit::No }
    }
}

/// What a command returns.
pub type Outcome = Result<Exit, Failure>;
