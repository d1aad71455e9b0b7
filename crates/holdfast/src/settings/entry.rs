//! What one setting is: its name, default, description, and the one function that reads its value.

use std::fmt;
use std::ops::Deref;

/// A setting with its type put aside: what the loader, the reference page and `config print` walk
/// over.
#[derive(Debug)]
pub struct Setting {
    /// Name in the environment.
    pub env: &'static str,
    /// Other names in the environment that existing applications use for the same thing.
    pub aliases: &'static [&'static str],
    /// What holds where it is not set.
    pub default: Fallback,
    /// What a value looks like.
    pub form: &'static str,
    /// One or two sentences for the reference page.
    pub doc: &'static str,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// What is wrong with a value, if anything.
    pub wrong: fn(&str) -> Option<Wrong>,
}

impl Setting {
    /// Its names in the environment, its own first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.env).chain(self.aliases.iter().copied())
    }

    /// Table and key in `holdfast.toml`: the prefix of the environment's name is the table, in
    /// lower case; Holdfast's own settings stand at the top.
    pub fn toml_key(&self) -> TomlKey {
        TomlKey::of(self.env)
    }
}

/// A setting whose value reads as a `T`.
pub struct Entry<T> {
    /// The setting.
    pub setting: Setting,
    /// Reads a value. Must not repeat the value in its complaint: the caller does so where it may
    /// be shown.
    pub read: fn(&str) -> Result<T, Wrong>,
}

impl<T> Deref for Entry<T> {
    type Target = Setting;

    fn deref(&self) -> &Setting {
        &self.setting
    }
}

/// Declares settings, and a list of them. A setting has no aliases and is no secret unless it says
/// so.
macro_rules! settings {
    (
        $(#[$about:meta])* $list:ident;
        $($name:ident: $type:ty {
            env: $env:literal,
            $(aliases: $aliases:expr,)?
            default: $default:expr,
            form: $form:literal,
            doc: $doc:literal,
            $(secret: $secret:literal,)?
            read: $read:expr,
        })+
    ) => {
        $(
            #[doc = concat!("`", $env, "`")]
            pub const $name: Entry<$type> = Entry {
                setting: Setting {
                    env: $env,
                    aliases: either!($($aliases,)? &[]),
                    default: $default,
                    form: $form,
                    doc: $doc,
                    secret: either!($($secret,)? false),
                    wrong: |text| ($name.read)(text).err(),
                },
                read: $read,
            };
        )+

        $(#[$about])*
        pub(super) const $list: &[&Setting] = &[$(&$name.setting,)+];
    };
}

/// The given value, or else the last one.
macro_rules! either {
    ($given:expr, $usual:expr) => {
        $given
    };
    ($usual:expr) => {
        $usual
    };
}

pub(super) use {either, settings};

/// What holds where a setting is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This text, read like any other value.
    Text(&'static str),
    /// A value computed from other settings; the words say how.
    Derived(&'static str),
    /// Nothing; the words say what follows.
    Absent(&'static str),
}

/// Why a value cannot be used, without repeating the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Completes the sentence "the value …".
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl Wrong {
    /// A complaint and what would mend it.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// Where a setting stands in `holdfast.toml`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TomlKey {
    /// The table; `None` for the top of the file.
    pub table: Option<&'static str>,
    /// The key in it.
    pub key: String,
}

impl TomlKey {
    /// Where a name of the environment stands.
    pub fn of(name: &str) -> Self {
        let split = |prefix: &str| name.strip_prefix(prefix).map(str::to_ascii_lowercase);
        if let Some(key) = split("HOLDFAST_") {
            Self { table: None, key }
        } else if let Some(key) = split("CLERK_") {
            Self { table: Some("clerk"), key }
        } else if let Some(key) = split("INSTAGRAM_") {
            Self { table: Some("instagram"), key }
        } else {
            Self { table: None, key: name.to_ascii_lowercase() }
        }
    }
}

impl fmt::Display for TomlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(table) => write!(f, "{table}.{}", self.key),
            None => f.write_str(&self.key),
        }
    }
}
