//! What Instagram remembers: accounts, codes, tokens, what is to go wrong, and what it was asked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::fault::{Endpoint, Fault};
use super::people::Person;
use crate::clock::after;

/// "Valid for 1 hour and can only be used once."
const CODE_LIFETIME: Duration = Duration::from_hours(1);
/// Short-lived tokens.
const SHORT_LIFETIME: Duration = Duration::from_hours(1);
/// Long-lived tokens.
pub(super) const LONG_LIFETIME: Duration = Duration::from_hours(60 * 24);
/// Calls kept for `/dev/calls`; the counts go on.
const KEPT_CALLS: usize = 1000;

/// A scope that everything needs.
pub(super) const BASIC: &str = "instagram_business_basic";
/// Every scope there is since 2024.
pub(super) const SCOPES: [&str; 5] = [
    BASIC,
    "instagram_business_content_publish",
    "instagram_business_manage_messages",
    "instagram_business_manage_comments",
    "instagram_business_manage_insights",
];

/// How a token died before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Death {
    Expired,
    Revoked,
    RevokedWithoutSubcode,
    PasswordChanged,
    PasswordChangedWithoutSubcode,
    LoggedOut,
    Malformed,
}

/// The two kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An hour, not refreshable.
    Short,
    /// Sixty days, refreshable from its second day on.
    Long,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) person: Person,
    pub(super) scopes: Vec<String>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) dead: Option<Death>,
    serial: u64,
}

impl Token {
    /// How it is dead at `now`, if it is.
    pub(super) fn death(&self, now: Timestamp) -> Option<Death> {
        self.dead.or((self.expires_at <= now).then_some(Death::Expired))
    }

    pub(super) fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|each| each == scope)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) person: Person,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    expires_at: Timestamp,
    spent: bool,
}

/// A fault that waits for its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Armed {
    /// The account's app-scoped id; `None` for everybody, and for requests that name nobody.
    pub account: Option<String>,
    /// The fault.
    pub fault: Fault,
    /// Only there; `None` wherever it can occur.
    pub endpoint: Option<Endpoint>,
    /// How many more times; `None` until cleared.
    pub times: Option<u32>,
}

/// An answer that is given instead of the usual one, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scripted {
    /// The account's app-scoped id; `None` for everybody, and for requests that name nobody.
    pub(super) account: Option<String>,
    pub(super) endpoint: Endpoint,
    pub(super) status: u16,
    pub(super) body: String,
    /// How many more times; `None` until cleared.
    pub(super) times: Option<u32>,
}

/// A request that was made. Tokens are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When.
    pub at: String,
    /// What for.
    pub endpoint: Endpoint,
    /// The account's app-scoped id, where the request named a known one.
    pub account: Option<String>,
    /// The fault that it met.
    pub fault: Option<Fault>,
    /// Status of the answer; of what was answered or, where a fault spoilt the answer, would have
    /// been. `None` for one that never came.
    pub status: Option<u16>,
}

/// A token as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuedGrant {
    /// Short- or long-lived.
    pub kind: TokenKind,
    /// What it may.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued_at: String,
    /// When it dies by itself.
    pub expires_at: String,
    /// Whether it works.
    pub alive: bool,
}

/// Figures for the usage headers; Meta sends those "once enough calls have been made".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageFigures {
    /// `X-App-Usage`, in percent.
    pub app_percent: Option<u32>,
    /// `X-Business-Use-Case-Usage`, in percent.
    pub account_percent: Option<u32>,
    /// Minutes until the account is served again.
    pub regains_in_minutes: u32,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) people: Vec<Person>,
    pub(super) usage: UsageFigures,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    issued: u64,
    armed: Vec<Armed>,
    scripted: Vec<Scripted>,
    calls: VecDeque<Call>,
    counts: BTreeMap<Endpoint, u64>,
}

impl World {
    pub(super) fn new(people: Vec<Person>) -> Self {
        Self {
            people,
            usage: UsageFigures::default(),
            codes: HashMap::new(),
            tokens: HashMap::new(),
            issued: 0,
            armed: Vec::new(),
            scripted: Vec::new(),
            calls: VecDeque::new(),
            counts: BTreeMap::new(),
        }
    }

    /// The person of that id or handle.
    pub(super) fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.is(name))
    }

    pub(super) fn keep_code(
        &mut self,
        code: String,
        person: Person,
        scopes: Vec<String>,
        redirect_uri: String,
        now: Timestamp,
    ) {
        let expires_at = after(now, CODE_LIFETIME);
        self.codes.insert(code, Code { person, scopes, redirect_uri, expires_at, spent: false });
    }

    /// The code, if it may still be spent.
    pub(super) fn code(&self, code: &str, now: Timestamp) -> Option<&Code> {
        self.codes.get(code).filter(|code| !code.spent && code.expires_at > now)
    }

    /// Whose code it is or was.
    pub(super) fn code_owner(&self, code: &str) -> Option<&Person> {
        self.codes.get(code).map(|code| &code.person)
    }

    pub(super) fn spend(&mut self, code: &str) {
        if let Some(code) = self.codes.get_mut(code) {
            code.spent = true;
        }
    }

    pub(super) fn token(&self, token: &str) -> Option<&Token> {
        self.tokens.get(token)
    }

    /// Issues a token. The same string again only gets new times, as in the world where refreshing
    /// changes nothing.
    pub(super) fn issue(
        &mut self,
        token: String,
        kind: TokenKind,
        person: Person,
        scopes: Vec<String>,
        now: Timestamp,
    ) {
        self.issued += 1;
        let lifetime = match kind {
            TokenKind::Short => SHORT_LIFETIME,
            TokenKind::Long => LONG_LIFETIME,
        };
        let (expires_at, serial) = (after(now, lifetime), self.issued);
        self.tokens
            .insert(token, Token { kind, person, scopes, issued_at: now, expires_at, dead: None, serial });
    }

    pub(super) fn kill_token(&mut self, token: &str, death: Death) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.dead = Some(death);
        }
    }

    /// Kills what is alive; `account` of `None` means everybody's.
    pub(super) fn kill_all(&mut self, account: Option<&str>, death: Death, now: Timestamp) {
        for token in self.tokens.values_mut() {
            if account.is_none_or(|id| token.person.id == id) && token.death(now).is_none() {
                token.dead = Some(death);
            }
        }
    }

    /// The long-lived token that was issued last for the account.
    pub(super) fn newest_grant(&self, id: &str) -> Option<&Token> {
        let is_grant = |token: &&Token| token.person.id == id && token.kind == TokenKind::Long;
        self.tokens.values().filter(is_grant).max_by_key(|token| token.serial)
    }

    /// The account's tokens, oldest first, without their strings.
    pub(super) fn grants_of(&self, id: &str, now: Timestamp) -> Vec<IssuedGrant> {
        let mut tokens: Vec<&Token> = self.tokens.values().filter(|token| token.person.id == id).collect();
        tokens.sort_by_key(|token| token.serial);
        let shown = |token: &Token| IssuedGrant {
            kind: token.kind,
            scopes: token.scopes.clone(),
            issued_at: token.issued_at.to_string(),
            expires_at: token.expires_at.to_string(),
            alive: token.death(now).is_none(),
        };
        tokens.into_iter().map(shown).collect()
    }

    /// Every string that must never be seen elsewhere.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.codes.keys().chain(self.tokens.keys()).cloned().collect()
    }

    pub(super) fn arm(&mut self, armed: Armed) {
        // The same fault again replaces its count.
        self.armed.retain(|each| {
            (&each.account, each.fault, each.endpoint) != (&armed.account, armed.fault, armed.endpoint)
        });
        self.armed.push(armed);
    }

    /// Disarms the faults of one account, or all of them.
    pub(super) fn disarm(&mut self, account: Option<&str>) {
        self.armed.retain(|each| account.is_some() && each.account.as_deref() != account);
        self.scripted.retain(|each| account.is_some() && each.account.as_deref() != account);
    }

    pub(super) fn script(&mut self, scripted: Scripted) {
        self.scripted.push(scripted);
    }

    /// The scripted answer that this request meets, counted down: the first that fits.
    pub(super) fn scripted(&mut self, endpoint: Endpoint, account: Option<&str>) -> Option<(u16, String)> {
        let fits = |each: &Scripted| {
            let is_for = each.account.is_none() || each.account.as_deref() == account;
            each.endpoint == endpoint && is_for && each.times != Some(0)
        };
        let met = self.scripted.iter_mut().find(|each| fits(each))?;
        met.times = met.times.map(|times| times - 1);
        Some((met.status, met.body.clone()))
    }

    /// The person changes handle and display name; tokens and ids stay.
    pub(super) fn rename(&mut self, id: &str, username: &str, name: &str) {
        let tokens = self.tokens.values_mut().map(|token| &mut token.person);
        let codes = self.codes.values_mut().map(|code| &mut code.person);
        for person in self.people.iter_mut().chain(tokens).chain(codes).filter(|person| person.id == id) {
            username.clone_into(&mut person.username);
            name.clone_into(&mut person.name);
        }
    }

    pub(super) fn armed(&self) -> &[Armed] {
        &self.armed
    }

    /// The index of the fault that such a request meets. An account's own comes before everybody's.
    fn position(&self, endpoint: Endpoint, account: Option<&str>) -> Option<usize> {
        let fits = |each: &Armed| {
            each.fault.endpoints().contains(&endpoint)
                && each.endpoint.is_none_or(|only| only == endpoint)
                && each.times != Some(0)
        };
        let own = |each: &Armed| each.account.is_some() && each.account.as_deref() == account;
        self.armed
            .iter()
            .position(|each| fits(each) && own(each))
            .or_else(|| self.armed.iter().position(|each| fits(each) && each.account.is_none()))
    }

    /// The fault that such a request would meet.
    pub(super) fn next_fault(&self, endpoint: Endpoint, account: Option<&str>) -> Option<Fault> {
        self.armed.get(self.position(endpoint, account)?).map(|each| each.fault)
    }

    /// The fault that this request meets, counted down.
    pub(super) fn meet(&mut self, endpoint: Endpoint, account: Option<&str>) -> Option<Fault> {
        let at = self.position(endpoint, account)?;
        let met = self.armed.get_mut(at)?;
        let fault = met.fault;
        if let Some(times) = &mut met.times {
            *times -= 1;
            if *times == 0 {
                self.armed.remove(at);
            }
        }
        Some(fault)
    }

    pub(super) fn log(&mut self, call: Call) {
        *self.counts.entry(call.endpoint).or_default() += 1;
        if self.calls.len() == KEPT_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> BTreeMap<Endpoint, u64> {
        self.counts.clone()
    }
}
