//! Two readings of the configuration, compared: which settings need a restart to take effect.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::fault::Origin;
use super::sources::Found;

/// The raw value of each setting. Never shown.
#[derive(Debug)]
pub struct Reading(BTreeMap<&'static str, SecretString>);

impl Reading {
    pub(super) fn of(values: BTreeMap<&'static str, Found>) -> Self {
        Self(values.into_iter().map(|(name, found)| (name, found.text)).collect())
    }

    /// The values that hold until a restart: for `reloadable` settings the present ones, for all
    /// others those of `before`.
    pub(super) fn held(&self, before: &Self, reloadable: &[&str]) -> BTreeMap<&'static str, Found> {
        let now = self.0.iter().filter(|(name, _)| reloadable.contains(name));
        let then = before.0.iter().filter(|(name, _)| !reloadable.contains(name));
        let found = |(name, text): (&&'static str, &SecretString)| {
            (*name, Found { text: text.clone(), origin: Origin::Environment((*name).to_owned()) })
        };
        now.chain(then).map(found).collect()
    }

    /// The settings that are given differently now, or no longer, or for the first time.
    pub fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        let text =
            |reading: &Self, name: &str| reading.0.get(name).map(|value| value.expose_secret().to_owned());
        let mut names: Vec<&'static str> = self.0.keys().chain(before.0.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| text(self, name) != text(before, name));
        names
    }
}
