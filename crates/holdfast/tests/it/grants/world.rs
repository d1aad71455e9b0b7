//! Instagram as it may be: nobody knows which of three worlds it is. Keeps tokens as the real one
//! does and counts calls.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast::clock::{Clock, ManualClock, after};
use holdfast::provider::{
    Account, AppFault, DeathCause, Failure, Grant, Meaning, NotPassed, PassThrough, PassedThrough, Provider,
    Reply, ShortGrant, Usage, UserAction,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::testing::leaks;

const HOUR: Duration = Duration::from_hours(1);
pub const LIFETIME: Duration = Duration::from_hours(60 * 24);

/// What a refresh does to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshEffect {
    SameToken,
    BothValid,
    OldDead,
}

pub const EFFECTS: [RefreshEffect; 3] =
    [RefreshEffect::SameToken, RefreshEffect::BothValid, RefreshEffect::OldDead];

/// How Instagram fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Fine,
    /// Every token is refused.
    RefusesAll,
    /// The app is switched off.
    AppDeactivated,
    /// Everybody has to confirm something at Instagram first.
    Checkpoint,
    Down,
    /// It is not asked: too many of our own calls are under way.
    Crowded,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub what: &'static str,
    pub account: Option<String>,
    pub token: String,
    pub at: Timestamp,
}

type Hook = Arc<dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync>;

pub struct World {
    pub effect: RefreshEffect,
    clock: Arc<ManualClock>,
    inner: Mutex<Inner>,
    /// A hook for each call: runs after the call took effect and before its answer arrives.
    hooks: Mutex<HashMap<&'static str, Hook>>,
    /// Where the tokens outlive this process.
    file: Option<PathBuf>,
}

struct Inner {
    /// Token to its account and expiry.
    tokens: HashMap<String, (String, Timestamp)>,
    /// Accounts, and tokens, that are refused without a reason.
    spoiled: HashSet<String>,
    /// Accounts whose owner has to confirm something.
    stopped: HashSet<String>,
    /// Accounts whose tokens work and cannot be refreshed.
    unrefreshable: HashSet<String>,
    made: u32,
    /// Whether refreshes name how long the grant lives.
    is_silent: bool,
    /// Whether a short-lived token comes with its account.
    names_accounts: bool,
    health: Health,
    calls: Vec<Call>,
    usage: Usage,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("effect", &self.effect).finish_non_exhaustive()
    }
}

impl World {
    pub fn new(effect: RefreshEffect, clock: Arc<ManualClock>) -> Arc<Self> {
        let inner = Inner {
            tokens: HashMap::new(),
            spoiled: HashSet::new(),
            stopped: HashSet::new(),
            unrefreshable: HashSet::new(),
            made: 0,
            is_silent: false,
            names_accounts: false,
            health: Health::Fine,
            calls: Vec::new(),
            usage: Usage::default(),
        };
        Arc::new(Self { effect, clock, inner: Mutex::new(inner), hooks: Mutex::default(), file: None })
    }

    /// A world whose tokens are kept in a file.
    pub fn stored(effect: RefreshEffect, clock: Arc<ManualClock>, file: &Path) -> Arc<Self> {
        let mut tokens = HashMap::new();
        if let Ok(text) = std::fs::read_to_string(file) {
            for line in text.lines() {
                let [token, owner, until] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
                leaks::secret(token);
                tokens.insert(token.to_owned(), (owner.to_owned(), until.parse().unwrap()));
            }
        }
        let world = Arc::into_inner(Self::new(effect, clock)).expect("nobody else has it");
        let mut inner = world.inner.into_inner().unwrap();
        inner.made = u32::try_from(tokens.len()).unwrap() * 10;
        inner.tokens = tokens;
        Arc::new(Self { inner: Mutex::new(inner), file: Some(file.to_owned()), ..world })
    }

    fn keep(&self, inner: &Inner) {
        let Some(file) = &self.file else { return };
        let lines: Vec<String> =
            inner.tokens.iter().map(|(token, (owner, until))| format!("{token} {owner} {until}")).collect();
        std::fs::write(file, lines.join("\n")).unwrap();
    }

    pub fn set(&self, health: Health) {
        self.inner.lock().unwrap().health = health;
    }

    pub fn use_up(&self, app_percent: u32) {
        self.inner.lock().unwrap().usage.app_percent = Some(app_percent);
    }

    pub fn after_refresh(&self, hook: impl Fn(String) -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        self.after("refresh", hook);
    }

    /// The same for any of the calls that bring a token.
    pub fn after(
        &self,
        call: &'static str,
        hook: impl Fn(String) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.hooks.lock().unwrap().insert(call, Arc::new(hook));
    }

    pub fn no_hook(&self) {
        self.hooks.lock().unwrap().clear();
    }

    async fn run_hook<T>(&self, call: &str, account: Option<&String>, outcome: &Result<T, Failure>) {
        let hook = self.hooks.lock().unwrap().get(call).cloned();
        if let (Some(hook), Some(account), Ok(_)) = (hook, account, outcome) {
            hook(account.clone()).await;
        }
    }

    pub fn calls(&self, what: &str) -> Vec<Call> {
        self.inner.lock().unwrap().calls.iter().filter(|call| call.what == what).cloned().collect()
    }

    /// A new token of an account.
    pub fn issue(&self, account: &str) -> Grant {
        let now = self.clock.now();
        let mut inner = self.inner.lock().unwrap();
        inner.made += 1;
        let token = format!("IGAA-token-of-account-{}-{}", account, inner.made);
        leaks::secret(&token);
        inner.tokens.insert(token.clone(), (account.to_owned(), after(now, LIFETIME)));
        self.keep(&inner);
        Grant {
            access_token: SecretString::from(token),
            scopes: None,
            obtained_at: now,
            expires_at: after(now, LIFETIME),
        }
    }

    pub fn kill(&self, token: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.tokens.remove(token);
        self.keep(&inner);
    }

    pub fn kill_all_of(&self, account: &str) {
        self.inner.lock().unwrap().tokens.retain(|_, (owner, _)| owner != account);
    }

    /// Refuses every token of that account, or that token, from now on, and does not say why.
    pub fn spoil(&self, account_or_token: &str) {
        self.inner.lock().unwrap().spoiled.insert(account_or_token.to_owned());
    }

    /// Lets nobody use that account until its owner has confirmed something.
    pub fn stop(&self, account: &str) {
        self.inner.lock().unwrap().stopped.insert(account.to_owned());
    }

    /// Refuses to refresh any token of that account, and does not say why.
    pub fn refuse_refreshes_of(&self, account: &str) {
        self.inner.lock().unwrap().unrefreshable.insert(account.to_owned());
    }

    /// Refreshes, but no longer says how long the new grant lives.
    pub fn name_no_lifetimes(&self) {
        self.inner.lock().unwrap().is_silent = true;
    }

    pub fn name_accounts(&self) {
        self.inner.lock().unwrap().names_accounts = true;
    }

    /// Refuses it no more.
    pub fn unspoil(&self, account_or_token: &str) {
        self.inner.lock().unwrap().spoiled.remove(account_or_token);
    }

    /// Takes every token of `account` for one of `other` from now on.
    pub fn mistake(&self, account: &str, other: &str) {
        for (owner, _) in self.inner.lock().unwrap().tokens.values_mut().filter(|(owner, _)| owner == account)
        {
            other.clone_into(owner);
        }
    }

    /// Takes that token for one of `other` from now on.
    pub fn give(&self, token: &str, other: &str) {
        let mut inner = self.inner.lock().unwrap();
        let (owner, _) = inner.tokens.get_mut(token).expect("such a token");
        other.clone_into(owner);
    }

    pub fn is_alive(&self, token: &str) -> bool {
        let now = self.clock.now();
        self.inner.lock().unwrap().tokens.get(token).is_some_and(|(_, expires_at)| *expires_at > now)
    }

    /// The code that Instagram sends the browser back with for the first time.
    pub fn code_of(account: &str) -> String {
        Self::code(account, 0)
    }

    /// The code that it sends for the `nth` time; it can be exchanged once.
    pub fn code(account: &str, nth: u64) -> String {
        let code = format!("IGAA-code-of-account-{account}-{nth}");
        leaks::secret(&code);
        code
    }

    /// Exchanges a code for a token that lives an hour. A code that is spent is kept as a token of
    /// nobody's.
    fn spend(&self, code: &str) -> Result<(String, ShortGrant), Failure> {
        let now = self.clock.now();
        let mut inner = self.inner.lock().unwrap();
        let account = code.strip_prefix("IGAA-code-of-account-").and_then(|rest| rest.rsplit_once('-'));
        let account = account.map(|(account, _)| account);
        let account = account.filter(|_| !inner.tokens.contains_key(code)).map(str::to_owned);
        inner.calls.push(Call { what: "redeem", account: account.clone(), token: code.to_owned(), at: now });
        let account = account.ok_or_else(|| failure(Meaning::CodeRejected))?;
        let token = format!("IGAA-short-token-of-account-{account}-{}", inner.made);
        leaks::secret(&token);
        inner.tokens.insert(code.to_owned(), ("nobody".to_owned(), now));
        inner.tokens.insert(token.clone(), (account.clone(), after(now, HOUR)));
        self.keep(&inner);
        let access_token = SecretString::from(token);
        let account_id = inner.names_accounts.then(|| account.clone());
        Ok((account, ShortGrant { access_token, scopes: None, account_id, obtained_at: now }))
    }

    /// Whose the token is, or why nobody says.
    fn judge(&self, what: &'static str, token: &SecretString) -> Result<String, Failure> {
        let now = self.clock.now();
        let token = token.expose_secret().to_owned();
        let mut inner = self.inner.lock().unwrap();
        let owner = inner.tokens.get(&token).filter(|(_, until)| *until > now).map(|(who, _)| who.clone());
        let spoiled = owner.as_ref().is_some_and(|owner| {
            inner.spoiled.contains(owner) || what == "refresh" && inner.unrefreshable.contains(owner)
        }) || inner.spoiled.contains(&token);
        let stopped = owner.as_ref().is_some_and(|owner| inner.stopped.contains(owner));
        inner.calls.push(Call { what, account: owner.clone(), token, at: now });
        match inner.health {
            Health::Fine if stopped => Err(failure(Meaning::UserAction(UserAction::Checkpoint))),
            Health::Fine if spoiled => Err(failure(Meaning::DeadUnexplained)),
            Health::Fine => owner.ok_or_else(|| failure(Meaning::Dead(DeathCause::Revoked))),
            Health::Checkpoint => Err(failure(Meaning::UserAction(UserAction::Checkpoint))),
            Health::RefusesAll => Err(failure(Meaning::DeadUnexplained)),
            Health::AppDeactivated => Err(failure(Meaning::App(AppFault::Deactivated))),
            Health::Down => Err(failure(Meaning::Unavailable)),
            Health::Crowded => Err(Failure { was_sent: false, ..failure(Meaning::Crowded) }),
        }
    }

    fn usage(&self) -> Usage {
        self.inner.lock().unwrap().usage
    }
}

fn failure(meaning: Meaning) -> Failure {
    Failure { http_status: Some(400), code: Some(190), ..Failure::new(meaning, "as the test wants it") }
}

impl Provider for World {
    fn scopes(&self) -> &[String] {
        &[]
    }

    fn essential_scope(&self) -> Option<&str> {
        None
    }

    fn authorize_url(&self, state: &str, _: bool) -> Url {
        Url::parse_with_params("https://instagram.example/authorize", [("state", state)]).unwrap()
    }

    fn redeem<'a>(&'a self, code: &'a SecretString) -> BoxFuture<'a, Reply<ShortGrant>> {
        Box::pin(async move {
            let (account, outcome) = match self.spend(code.expose_secret()) {
                Ok((account, short)) => (Some(account), Ok(short)),
                Err(failure) => (None, Err(failure)),
            };
            self.run_hook("redeem", account.as_ref(), &outcome).await;
            Reply { outcome, usage: self.usage() }
        })
    }

    fn extend<'a>(&'a self, short: &'a ShortGrant) -> BoxFuture<'a, Reply<Grant>> {
        Box::pin(async move {
            let judged = self.judge("extend", &short.access_token);
            let account = judged.as_ref().ok().cloned();
            let outcome = judged.map(|account| self.issue(&account));
            self.run_hook("extend", account.as_ref(), &outcome).await;
            Reply { outcome, usage: self.usage() }
        })
    }

    fn refresh<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Grant>> {
        Box::pin(async move {
            let outcome = self.judge("refresh", &grant.access_token).map(|account| {
                let mut renewed = self.issue(&account);
                let old = grant.access_token.expose_secret();
                match self.effect {
                    RefreshEffect::BothValid => {}
                    RefreshEffect::OldDead => self.kill(old),
                    RefreshEffect::SameToken => {
                        self.kill(renewed.access_token.expose_secret());
                        let until = renewed.expires_at;
                        let mut inner = self.inner.lock().unwrap();
                        inner.tokens.insert(old.to_owned(), (account.clone(), until));
                        self.keep(&inner);
                        renewed.access_token = SecretString::from(old.to_owned());
                    }
                }
                if self.inner.lock().unwrap().is_silent {
                    renewed.expires_at = grant.expires_at;
                }
                (account, renewed)
            });
            let account = outcome.as_ref().ok().map(|(account, _)| account.clone());
            self.run_hook("refresh", account.as_ref(), &outcome).await;
            Reply { outcome: outcome.map(|(_, renewed)| renewed), usage: self.usage() }
        })
    }

    fn identify<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Account>> {
        let judged = self.judge("identify", &grant.access_token);
        Box::pin(async move {
            self.run_hook("identify", judged.as_ref().ok(), &judged).await;
            Reply { outcome: judged.map(|id| account(&id)), usage: self.usage() }
        })
    }

    fn objection(&self, _: &PassThrough) -> Option<Failure> {
        unreachable!("these tests make no calls of an app")
    }

    fn pass_through<'a>(
        &'a self,
        _: &'a Grant,
        _: PassThrough,
    ) -> BoxFuture<'a, Result<PassedThrough, NotPassed>> {
        unreachable!("these tests make no calls of an app")
    }

    fn revoke_hint(&self) -> &'static str {
        "Settings"
    }
}

pub fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        professional_id: None,
        username: Some(format!("{id}.makes")),
        name: None,
        account_type: None,
        profile_picture_url: None,
    }
}
