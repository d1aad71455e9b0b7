//! Where `dev` keeps its database and the key to it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::exit::Failure;
use crate::app::Seams;
use crate::entropy;

/// A directory of this user's alone.
pub(super) struct Home {
    pub(super) path: PathBuf,
    pub(super) key: String,
    pub(super) is_temporary: bool,
}

impl Home {
    /// The given directory, with the key from an earlier run; else a temporary one that is removed
    /// with the process.
    pub(super) fn open(asked: Option<&Path>, seams: &Seams) -> Result<Self, Failure> {
        let path = if let Some(path) = asked {
            path.to_owned()
        } else {
            let id = entropy::new_id(&*seams.entropy, seams.clock.now())?;
            std::env::temp_dir().join(format!("holdfast-dev-{id}"))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| disk(&path, &error))?;
        let mut home = Self { path, key: String::new(), is_temporary: asked.is_none() };
        let file = home.path.join("encryption-key");
        home.key = match fs::read_to_string(&file) {
            Ok(key) => key.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = entropy::random::<32>(&*seams.entropy)?;
                let key = format!("dev:{}", STANDARD.encode(bytes));
                write_private(&file, &key).map_err(|error| disk(&file, &error))?;
                key
            }
            Err(error) => return Err(disk(&file, &error)),
        };
        Ok(home)
    }
}

impl Drop for Home {
    /// A temporary directory is removed however the command ends, also where it fails to start.
    fn drop(&mut self) {
        if self.is_temporary {
            // What stays is removed when the system cleans its temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn disk(path: &Path, error: &io::Error) -> Failure {
    Failure::setup(
        format!("{}: {error}", path.display()),
        "name a directory that this user may write: --data DIR",
    )
}
