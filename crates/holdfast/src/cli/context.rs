//! What every command starts from: the environment and the configuration file that was asked for.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::exit::{ExitStatus, Failure, told};
use super::printer::Printer;
use crate::clock::{SharedClock, SystemClock};
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::settings::{self, ConfigFile, Environment, Fault, Faults, Purpose, Reading, Settings};
use crate::store::{self, OpenError, SchemaState, Store, StoreError, StoreOptions};
use crate::vault::{KeyRing, Vault};

/// What every command starts from.
#[derive(Clone)]
pub struct Context {
    /// The environment of the process.
    pub environment: Environment,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
}

impl Context {
    /// A context of this machine's time and randomness.
    pub fn new(environment: Environment, config: Option<PathBuf>) -> Self {
        Self { environment, config, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// The configuration file, if there is one.
    pub fn file(&self) -> Result<Option<ConfigFile>, Failure> {
        ConfigFile::find(self.config.as_deref()).map_err(|fault| faulty(&Faults(vec![fault])))
    }

    /// The configuration, with its warnings printed; all its faults where it has any.
    pub fn settings(&self, purpose: Purpose, printer: &mut Printer) -> Result<Settings, Failure> {
        self.settings_with_reading(purpose, printer).map(|(settings, _)| settings)
    }

    /// The same, with what each setting was given as.
    pub fn settings_with_reading(
        &self,
        purpose: Purpose,
        printer: &mut Printer,
    ) -> Result<(Settings, Reading), Failure> {
        let (settings, reading) =
            settings::load_with_reading(&self.environment, self.file()?.as_ref(), purpose)
                .map_err(|faults| faulty(&faults))?;
        if purpose == Purpose::Serve {
            can_start(&settings)?;
        }
        for Fault { name, what, remedy } in &settings.warnings {
            printer.warning(format!("{name}: {what}; {remedy}"));
        }
        Ok((settings, reading))
    }

    /// The configured database, which must be there with a schema that this program can work with.
    pub async fn store(&self, settings: &Settings) -> Result<Store, Failure> {
        let options = StoreOptions::tool(settings.database_url.expose_secret());
        let store = self.open(&options.with_outbox(settings.webhook.is_some())).await?;
        match store.schema_state().await? {
            SchemaState::Current => Ok(store),
            SchemaState::Behind(missing) => Err(Failure::setup(
                format!("the database lacks {missing} of this program's migrations"),
                "run `holdfast migrate`",
            )),
            SchemaState::Ahead { found, known } => Err(Failure::setup(
                format!("the database has schema {found}, this program knows up to {known}"),
                "use the newer program",
            )),
        }
    }

    /// A database, whatever its schema.
    pub async fn open(&self, options: &StoreOptions) -> Result<Store, Failure> {
        Store::open(options, self.clock.clone()).await.map_err(told)
    }

    /// The configured key ring as a vault.
    pub fn vault(&self, settings: &Settings) -> Result<Vault, Failure> {
        let Some(keys) = &settings.encryption_keys else {
            return Err(Failure::setup(
                "HOLDFAST_ENCRYPTION_KEYS is not set",
                "give this command the key ring that the server has",
            ));
        };
        let ring = KeyRing::parse(keys.expose_secret()).map_err(|faults| {
            Failure::setup(format!("HOLDFAST_ENCRYPTION_KEYS: {faults}"), "mend the list")
        })?;
        Ok(Vault::new(ring, self.entropy.clone()))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::setup(error.to_string(), "run `holdfast doctor` to see what is wrong with the database")
    }
}

/// What `serve` would stumble over before it listens, and no single setting says.
fn can_start(settings: &Settings) -> Result<(), Failure> {
    let mut faults: Vec<Fault> = settings.obstacle().into_iter().collect();
    if let Err(OpenError::Address(what)) = store::check_address(settings.database_url.expose_secret()) {
        let remedy = "give sqlite://path/to/holdfast.db or postgres://user@host/database";
        faults.push(Fault::new("HOLDFAST_DATABASE_URL", what, remedy));
    }
    if faults.is_empty() { Ok(()) } else { Err(faulty(&Faults(faults))) }
}

fn faulty(faults: &Faults) -> Failure {
    let count = faults.0.len();
    let things = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
    Failure {
        sentence: format!("the configuration has {things}\n{faults}"),
        remedy: None,
        exit: ExitStatus::Usage,
    }
}
