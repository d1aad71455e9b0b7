//! What every command starts from: the environment and the configuration file that was asked for.

use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::printer::Printer;
use crate::settings::{self, ConfigFile, Environment, Fault, Faults, Purpose, Settings};

/// What every command starts from.
#[derive(Clone)]
pub struct Context {
    /// The environment of the process.
    pub environment: Environment,
    /// `--config`.
    pub config: Option<PathBuf>,
}

impl Context {
    /// The configuration file, if there is one.
    pub fn file(&self) -> Result<Option<ConfigFile>, Failure> {
        ConfigFile::find(self.config.as_deref()).map_err(|fault| faulty(&Faults(vec![fault])))
    }

    /// The configuration, with its warnings printed; all its faults where it has any.
    pub fn settings(&self, purpose: Purpose, printer: &mut Printer) -> Result<Settings, Failure> {
        let settings = settings::load(&self.environment, self.file()?.as_ref(), purpose)
            .map_err(|faults| faulty(&faults))?;
        for Fault { name, what, remedy } in &settings.warnings {
            printer.warning(format!("{name}: {what}; {remedy}"));
        }
        Ok(settings)
    }
}

fn faulty(faults: &Faults) -> Failure {
    let count = faults.0.len();
    let things = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
    Failure { sentence: format!("the configuration has {things}\n{faults}"), remedy: None, exit: Exit::Usage }
}
