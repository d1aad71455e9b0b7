//! What is wrong with a configuration: every fault at once, each with its name and its remedy.

use std::fmt;
use std::path::PathBuf;

use super::misplaced_secrets::shown_path;

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment, under this name.
    Environment(String),
    /// A file that the environment or the configuration file names.
    SecretFile {
        /// The setting that named it, such as `CLERK_SECRET_KEY_FILE`.
        name: String,
        /// Its path.
        path: PathBuf,
    },
    /// The configuration file, under this key.
    ConfigFile(String),
    /// Nowhere: the default applies.
    Default,
}

impl Origin {
    /// What the value is called where it was found; `None` for a default.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Environment(name) | Self::SecretFile { name, .. } | Self::ConfigFile(name) => Some(name),
            Self::Default => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::SecretFile { name, path } => write!(f, "{name} = {}", shown_path(path)),
            Self::ConfigFile(key) => write!(f, "file {key}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}\n    {remedy}")]
pub struct Fault {
    /// The setting's name, as it was found: in the environment or in the file.
    pub name: String,
    /// One sentence; never a secret's value.
    pub what: String,
    /// What mends it.
    pub remedy: String,
}

impl Fault {
    /// A fault of that setting.
    pub fn new(name: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into(), remedy: remedy.into() }
    }
}

/// Everything that is wrong, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);
