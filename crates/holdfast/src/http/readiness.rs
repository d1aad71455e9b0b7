//! Whether this server can judge and read: what `/readyz` answers, what `holdfast_ready` shows, and
//! what the operator's page names.

use schemars::JsonSchema;
use serde::Serialize;

use super::looks::Found;
use super::state::AppState;
use crate::store::{SchemaState, StoreError};
use crate::vault::Sentinel;

/// The check of Clerk's keys.
const SESSION_KEYS: &str = "session_keys";
/// The check of the database, without which the schema and the keys cannot be looked at.
pub(super) const DATABASE: &str = "database";
/// The check of the key ring.
pub(super) const ENCRYPTION_KEYS: &str = "encryption_keys";
/// The check of the schema.
pub(super) const SCHEMA: &str = "schema";
/// The check that fails, alone, while the server starts.
const STARTING: &str = "starting";

/// Whether the server can judge and read.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    /// Whether every check is good.
    pub(super) ready: bool,
    /// The checks.
    pub(super) checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Check {
    /// `session_keys`, `database`, `schema`, `encryption_keys`; `starting`, alone, until the server
    /// has started; `stopping` where it was told to stop.
    pub(super) name: &'static str,
    /// Whether it is good.
    pub(super) ok: bool,
    /// What is wrong, without secrets or addresses.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "String")]
    problem: Option<&'static str>,
    /// The whole of it, for operators.
    #[serde(skip)]
    pub(super) detail: Option<String>,
}

impl Check {
    fn new(name: &'static str, outcome: Result<(), &'static str>) -> Self {
        Self { name, ok: outcome.is_ok(), problem: outcome.err(), detail: None }
    }

    /// What is wrong, where anything is, and the whole of it.
    fn told(name: &'static str, fault: Option<(&'static str, String)>) -> Self {
        match fault {
            None => Self::new(name, Ok(())),
            Some((what, detail)) => Self { detail: Some(detail), ..Self::new(name, Err(what)) },
        }
    }
}

/// What is wrong where the database gave no answer, as with too few connections for all questions
/// at once: the question itself stays open.
fn is_silent<T>(answer: Option<&Result<T, StoreError>>) -> Option<(&'static str, String)> {
    match answer {
        None => {
            Some(("does not answer within 1.5 s", "the database does not answer within 1.5 s".to_owned()))
        }
        Some(Err(error @ (StoreError::Unavailable(_) | StoreError::Busy(_)))) => {
            Some(("does not answer all that it is asked", error.to_string()))
        }
        Some(_) => None,
    }
}

impl Readiness {
    /// Before there is a database to look at.
    pub(super) fn starting() -> Self {
        let check = Check::new(STARTING, Err("its database is not open yet"));
        Self { ready: false, checks: vec![check] }
    }

    /// The present readiness; what it says of the database is at most a second old.
    pub(super) async fn of(state: &AppState) -> Self {
        let keys =
            if state.verifier.can_judge() { Ok(()) } else { Err("no key to verify session tokens with") };
        let found = state.looks().found().await;
        let Found { database, lacking, schema, sentinels } = &*found;
        let fault = match (database, lacking) {
            // What it will be asked for in vain.
            (Some(Ok(()) | Err(StoreError::Denied(_))), Some(Ok(Some(right)))) => {
                let error = StoreError::Denied(right.clone());
                Some(("its role lacks a right: run holdfast doctor", error.to_string()))
            }
            (Some(Ok(())), _) => is_silent(schema.as_ref()).or_else(|| is_silent(sentinels.as_ref())),
            (Some(Err(error @ StoreError::Missing(_))), _) => {
                Some(("its tables are missing: run holdfast doctor", error.to_string()))
            }
            (Some(Err(error)), _) if *error == StoreError::read_only() => {
                Some(("takes no writes", error.to_string()))
            }
            (Some(Err(error)), _) => Some(("does not answer", error.to_string())),
            (None, _) => is_silent::<()>(None),
        };
        let mut why = fault.as_ref().map(|(_, detail)| detail.clone());
        let database = Check::told(DATABASE, fault);
        let schema = match schema {
            // During an upgrade, the replicas of the version before serve on with the newer schema.
            Some(Ok(SchemaState::Current | SchemaState::Ahead { .. })) => Ok(()),
            Some(Ok(SchemaState::Behind(_))) => Err("older than this program: run holdfast migrate"),
            Some(Err(_)) | None => Err("cannot be read: the database does not answer"),
        };
        let ring = match sentinels {
            Some(Ok(sentinels)) => {
                let fault = match state.vault.prove(sentinels) {
                    Ok(missing) => missing.map(|Sentinel { key_id, .. }| {
                        let error = StoreError::KeyRetired { key_id };
                        ("the key that seals here was retired", error.to_string())
                    }),
                    Err(error) => {
                        Some(("the configured keys are not those of this database", error.to_string()))
                    }
                };
                why = fault.as_ref().map(|(_, detail)| detail.clone()).or(why);
                Check::told(ENCRYPTION_KEYS, fault)
            }
            Some(Err(StoreError::Missing(_))) => {
                Check::new(ENCRYPTION_KEYS, Err("cannot be compared: their table is missing"))
            }
            Some(Err(_)) | None => {
                Check::new(ENCRYPTION_KEYS, Err("cannot be compared: the database does not answer"))
            }
        };
        state.edge.metrics.readiness_log.write(why, state.edge.clock.now());
        let mut checks = vec![Check::new(SESSION_KEYS, keys), database, Check::new(SCHEMA, schema), ring];
        if state.is_leaving() {
            checks.push(Check::new("stopping", Err("was told to stop")));
        }
        Self { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// Whether that check is good; `None` where it could not be made.
    pub(super) fn tells(&self, name: &str) -> Option<bool> {
        let good = |name: &str| self.checks.iter().find(|check| check.name == name).map(|check| check.ok);
        let needs_database = matches!(name, SCHEMA | ENCRYPTION_KEYS);
        if needs_database && good(DATABASE) != Some(true) { None } else { good(name) }
    }

    /// What each check tells. Stopping is no check: a server that leaves lacks nothing.
    pub(super) fn told(&self) -> impl Iterator<Item = (&'static str, Option<bool>)> {
        let names = [SESSION_KEYS, DATABASE, SCHEMA, ENCRYPTION_KEYS, STARTING];
        names.into_iter().map(|name| (name, self.tells(name)))
    }
}
