//! What every command starts from: the environment and the configuration file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::exit::{ExitStatus, Failure, told};
use super::printer::Printer;
use crate::app;
use crate::clock::{SharedClock, SystemClock, within};
use crate::counted::counted;
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::lock::Lock;
use crate::process;
use crate::settings::{self, ConfigFile, Environment, Fault, Faults, LogFormat, Purpose, Reading, Settings};
use crate::store::{self, OpenError, SchemaState, Store, StoreError, StoreOptions};
use crate::telemetry::{self, LogLevels};
use crate::vault::{Sentinel, Vault};

/// A database that does not let go of its connections in this time is left to notice by itself.
const CLOSING: Duration = Duration::from_secs(5);

/// What a command seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// Nothing.
    Nothing,
    /// Values that running servers must open.
    BesideServers,
    /// Values that no server opens meanwhile.
    WhileServersAreStopped,
}

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
    pub(super) opened: Arc<Lock<Vec<Store>>>,
}

impl Context {
    /// A context of this machine's time and randomness.
    pub fn new(environment: Environment, config: Option<PathBuf>) -> Self {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        Self { environment, config, clock, entropy, opened: Arc::default() }
    }

    /// The configuration file, if there is one.
    pub fn file(&self) -> Result<Option<ConfigFile>, Failure> {
        ConfigFile::find(self.config.as_deref()).map_err(|fault| faulty(&Faults(vec![fault])))
    }

    /// The configuration of a tool, and its database.
    pub async fn database(&self, printer: &mut Printer) -> Result<(Settings, Store), Failure> {
        let settings = self.settings(printer)?;
        let store = self.store(&settings).await?;
        Ok((settings, store))
    }

    /// The configuration of a tool, with its warnings printed.
    pub fn settings(&self, printer: &mut Printer) -> Result<Settings, Failure> {
        self.settings_for(Purpose::Tools, printer)
    }

    /// The configuration, with its warnings printed; all its faults where it has any.
    pub fn settings_for(&self, purpose: Purpose, printer: &mut Printer) -> Result<Settings, Failure> {
        let file = self.file()?;
        let (settings, _) = self.load(file.as_ref(), purpose).map_err(|faults| self.faulty(&faults))?;
        warn(&settings, printer);
        Ok(settings)
    }

    /// The configuration of a command that keeps a log, and its log. A program that reads a JSON
    /// log parses every line, so there the warnings are lines of the log.
    pub fn settings_with_log(
        &self,
        file: Option<&ConfigFile>,
        purpose: Purpose,
        printer: &mut Printer,
    ) -> Result<(Settings, Reading, LogLevels), Failure> {
        let (settings, reading) = self.load(file, purpose).map_err(|faults| self.faulty(&faults))?;
        let levels = telemetry::install(&settings.log, settings.log_format)?;
        match telemetry::format(settings.log_format) {
            LogFormat::Text => warn(&settings, printer),
            LogFormat::Json => log_warnings(&settings),
        }
        Ok((settings, reading, levels))
    }

    fn load(&self, file: Option<&ConfigFile>, purpose: Purpose) -> Result<(Settings, Reading), Faults> {
        match purpose {
            Purpose::Serve => self.load_to_serve(file, Settings::obstacle),
            // A tool that opens the database says by itself what is wrong with its address.
            Purpose::Tools => self.read(file, purpose),
        }
    }

    /// The settings of `serve`, where the store can read the database's address, and there is no
    /// `obstacle`. Every fault is reported: where there are others, these are found in what can be
    /// read without the settings at fault.
    pub(super) fn load_to_serve(
        &self,
        file: Option<&ConfigFile>,
        obstacle: impl Fn(&Settings) -> Option<Fault>,
    ) -> Result<(Settings, Reading), Faults> {
        let check = |settings: &Settings| unknown_address(settings).into_iter().chain(obstacle(settings));
        match self.read(file, Purpose::Serve) {
            Ok(read) => {
                let faults: Vec<Fault> = check(&read.0).collect();
                if faults.is_empty() { Ok(read) } else { Err(Faults(faults)) }
            }
            Err(mut faults) => {
                let readable = self.besides(file, &faults);
                faults.0.extend(readable.iter().flat_map(check));
                Err(faults)
            }
        }
    }

    /// The settings. From here on the process may hold keys and grants, so it leaves no core file
    /// behind unless they allow it.
    fn read(&self, file: Option<&ConfigFile>, purpose: Purpose) -> Result<(Settings, Reading), Faults> {
        let (settings, reading) = settings::load_with_reading(&self.environment, file, purpose)?;
        if !settings.core_files {
            process::forbid_core_files();
        }
        Ok((settings, reading))
    }

    /// What can be read without the settings that are at fault.
    pub(super) fn besides(&self, file: Option<&ConfigFile>, faults: &Faults) -> Option<Settings> {
        let names: Vec<String> = faults.0.iter().map(|fault| fault.name.clone()).collect();
        settings::load(&self.environment.without(&names), file, Purpose::Tools).ok()
    }

    /// The faults as a failure. Its remedy says where no configuration was read at all, as in the
    /// wrong directory.
    pub(super) fn faulty(&self, faults: &Faults) -> Failure {
        let mut failure = faulty(faults);
        failure.remedy = self.nothing_read();
        failure
    }

    /// Where the configuration is to be looked for, if none was found at all.
    pub(super) fn nothing_read(&self) -> Option<String> {
        let file = self.file().ok().flatten();
        (file.is_none() && !self.environment.has_own_names()).then(|| {
            let here = std::env::current_dir().map_or_else(|_| "this directory".to_owned(), |here| here.display().to_string());
            format!(
                "no configuration was read: there is no holdfast.toml in {here}, and no setting in the environment; \
                 go where it is, or name it with --config"
            )
        })
    }

    /// Whether the log is JSON, as far as the configuration can be read.
    pub fn logs_json(&self) -> bool {
        let file = self.file().ok().flatten();
        let read = |file: Option<&ConfigFile>| {
            let read = settings::load(&self.environment, file, Purpose::Tools);
            read.map_or_else(|faults| self.besides(file, &faults), Some)
        };
        // The file may not be TOML.
        let read = read(file.as_ref()).or_else(|| read(None));
        telemetry::format(read.and_then(|settings| settings.log_format)) == LogFormat::Json
    }

    /// The configured database, which must be there with a schema that this program can work with.
    pub async fn store(&self, settings: &Settings) -> Result<Store, Failure> {
        let options = StoreOptions::tool(settings.database_url.expose_secret());
        let store = self.open(&options.with_outbox(settings.webhook.is_some())).await?;
        match store.schema_state().await? {
            // One that is ahead was not opened.
            SchemaState::Current | SchemaState::Ahead { .. } => Ok(store),
            SchemaState::Behind(missing) => Err(Failure::setup(
                format!("the database lacks {missing} of this program's migrations"),
                "run `holdfast migrate`",
            )),
        }
    }

    /// A database with any schema.
    pub async fn open(&self, options: &StoreOptions) -> Result<Store, Failure> {
        let store = Store::open(options, self.clock.clone()).await.map_err(|error| {
            let remedy = if matches!(error, OpenError::NoFile(_)) { self.nothing_read() } else { None };
            Failure { remedy, ..told(error) }
        })?;
        self.opened.lock().push(store.clone());
        Ok(store)
    }

    /// Closes the databases that were opened: else SQLite leaves its last changes in a second file,
    /// and Postgres logs a lost client.
    pub(super) async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock());
        for store in opened {
            within(CLOSING, &*self.clock, store.close()).await;
        }
    }

    /// The key ring as a vault. For a command that seals it is proven against the database, like a
    /// server's. Refuses a key in front that no server has used where servers may run, because
    /// those that lack it take themselves out of service.
    pub async fn vault_for(
        &self,
        sealing: Sealing,
        settings: &Settings,
        store: &Store,
    ) -> Result<Vault, Failure> {
        let vault = self.vault(settings)?;
        if sealing == Sealing::Nothing {
            return Ok(vault);
        }
        let stored = store.sentinels().await?;
        let new = vault.prove(&stored).map_err(told)?;
        // If nothing is sealed yet, this is the first key of all.
        if let Some(Sentinel { key_id: id, .. }) = new
            && !stored.is_empty()
            && sealing == Sealing::BesideServers
        {
            store.refuse_retired(&id).await?;
            let sentence =
                format!("no server has used key {id} yet: those without it would go out of service");
            return Err(Failure::no(sentence).mended_by(format!(
                "put {id} behind the others at every server, then in front, and reload or restart it each time; then run this \
                 again (docs/guides/production.md#keys)"
            )));
        }
        app::prove_ring(&vault, store).await.map_err(told)?;
        Ok(vault)
    }

    /// The configured key ring as a vault.
    pub fn vault(&self, settings: &Settings) -> Result<Vault, Failure> {
        let ring = settings.encryption_keys.clone().ok_or_else(|| {
            Failure::setup("HOLDFAST_ENCRYPTION_KEYS is not set", "give this command the server's key ring")
        })?;
        Ok(Vault::new(ring, self.entropy.clone()))
    }
}

/// Logs the warnings of the configuration.
pub(super) fn log_warnings(settings: &Settings) {
    for Fault { name, what, remedy } in &settings.warnings {
        tracing::warn!(setting = name, what, remedy, "a warning about the configuration");
    }
}

/// Prints them.
fn warn(settings: &Settings, printer: &mut Printer) {
    for Fault { name, what, remedy } in &settings.warnings {
        printer.warning(format!("{name}: {what}; {remedy}"));
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let StoreError::KeyRetired { .. } = error {
            return Self::no(error.to_string());
        }
        Self::setup(error.to_string(), "run `holdfast doctor` to see what is wrong with the database")
    }
}

/// An address that the store cannot read.
fn unknown_address(settings: &Settings) -> Option<Fault> {
    match store::check_address(settings.database_url.expose_secret()) {
        Err(OpenError::Address(what)) => {
            let remedy = "give sqlite://path/to/holdfast.db or postgres://user@host/database";
            Some(Fault::new("HOLDFAST_DATABASE_URL", what, remedy))
        }
        Err(OpenError::AddressFile { option, path, why }) => Some(Fault::new(
            "HOLDFAST_DATABASE_URL",
            format!("{option}={path} cannot be read ({why})"),
            "name a file that this process may read",
        )),
        Ok(()) | Err(_) => None,
    }
}

fn faulty(faults: &Faults) -> Failure {
    let count = faults.0.len();
    let things = counted(count as u64, "fault", "faults");
    Failure {
        sentence: format!("the configuration has {things}\n{faults}"),
        remedy: None,
        exit: ExitStatus::Usage,
    }
}
