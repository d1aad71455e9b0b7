//! Instagram, as it answers over the network: tokens, the three worlds, bad days. It knows the
//! truth that the report is held against.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use holdfast::transport::Answer;
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::baton::{DAY, HOUR, Millis, SECOND};

/// What a refresh does to the token; nobody knows which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshEffect {
    SameToken,
    BothValid,
    OldDead,
}

/// How Instagram fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Fine,
    /// 503, hangs, connections refused.
    Down,
    /// Every token is called dead, and no reason given.
    RefusesAll,
    AppDeactivated,
    /// The app is refused every permission, named or not.
    RefusesPermission,
    /// The app may make so many calls per hour.
    Limited(u32),
}

/// Production begins no refresh with less than 35 s of its lease left; a little of that passes
/// before the call leaves.
const SURELY_LEASED: Millis = 30 * SECOND;
/// With clocks further apart, a lease runs out by one of them as soon as it is taken, and is
/// disbelieved by another.
const TOLERATED: Millis = HOUR;

impl Health {
    /// Whether a working grant is answered as it should be.
    pub fn answers(self) -> bool {
        self.darkness().is_none()
    }

    /// Which of those that answer nobody, if it is one.
    fn darkness(self) -> Option<usize> {
        match self {
            Self::Fine | Self::Limited(_) => None,
            Self::Down => Some(0),
            Self::RefusesAll => Some(1),
            Self::AppDeactivated => Some(2),
            Self::RefusesPermission => Some(3),
        }
    }
}

/// As recorded: 59.999 days.
pub const LIFETIME: Millis = 5_183_944_000;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../src/provider/instagram/testdata/", $name, ".json"))
    };
}

#[derive(Debug, Clone, Copy)]
struct Token {
    serial: u32,
    issued_at: Millis,
    expires_at: Millis,
}

/// One person's account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    tokens: Vec<Token>,
    serial: u32,
    /// When the person ended it all, and how.
    pub died: Option<(Millis, Death)>,
    /// How often the handle has changed, and when last.
    pub renamed: (u32, Millis),
    under_way: Vec<UnderWay>,
}

/// A refresh that a replica waits for.
#[derive(Debug, Clone, Copy)]
pub struct UnderWay {
    pub replica: usize,
    /// What the replica's clock showed when it asked.
    pub began: Millis,
    /// The replica stood still or its clock jumped a moment before, so its lease may have run out
    /// between claim and call.
    pub disturbed: bool,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    PasswordChanged,
    Revoked,
    /// Instagram does not say why.
    Unexplained,
}

/// What was asked, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub refreshes: u64,
    pub renewed: u64,
    pub identifies: u64,
    /// Whose grant it is, because a person wanted to know; counted apart.
    pub by_people: u64,
    /// Calls among the first two that no caller would have had answered: made in an outage.
    pub in_vain: u64,
    /// The calls in vain by cause: everything down, every grant called dead, the app switched off.
    pub in_vain_by: [u64; 4],
    /// Refused because the app's allowance was used up.
    pub limited: u64,
    /// Refused because the grant was less than a day old.
    pub too_young: u64,
    /// Refused because the grant was dead.
    pub dead: u64,
    /// Made by the app's backend, and of those the ones that were refused for what they asked.
    pub by_app: u64,
    pub about_the_call: u64,
    /// Two refreshes of one connection at once, the first one's lease having run out by somebody's
    /// clock.
    pub overlaps: u64,
    /// The same without that: must not be.
    pub collisions: u64,
}

impl Calls {
    pub fn all(&self) -> u64 {
        self.refreshes + self.identifies
    }
}

pub struct Instagram {
    effect: RefreshEffect,
    inner: Mutex<Inner>,
}

struct Inner {
    accounts: Vec<Account>,
    /// Accounts from this number on may not be served to the app, whatever their owners consent to.
    people: usize,
    /// Who has connected an account that its holder had left, and when.
    heirs: BTreeMap<usize, Millis>,
    health: Health,
    /// By how much each replica's clock is wrong at the moment.
    clock_errors: Vec<Millis>,
    calls: Calls,
    /// Calls in the present hour, for the limit.
    hour: Millis,
    in_hour: u32,
}

impl Instagram {
    pub fn new(effect: RefreshEffect, people: usize, replicas: usize) -> Self {
        let inner = Inner {
            accounts: vec![Account::default(); people + STRANGERS],
            people,
            heirs: BTreeMap::new(),
            health: Health::Fine,
            clock_errors: vec![0; replicas],
            calls: Calls::default(),
            hour: 0,
            in_hour: 0,
        };
        Self { effect, inner: Mutex::new(inner) }
    }

    pub fn set(&self, health: Health) {
        self.inner.lock().unwrap().health = health;
    }

    /// A replica's clock is wrong by so much from now on: the judgement of overlaps allows for it.
    pub fn set_clock_error(&self, replica: usize, error: Millis) {
        self.inner.lock().unwrap().clock_errors[replica] = error;
    }

    pub fn calls(&self) -> Calls {
        self.inner.lock().unwrap().calls
    }

    pub fn die(&self, account: usize, at: Millis, death: Death) {
        let account = &mut self.inner.lock().unwrap().accounts[account];
        account.died.get_or_insert((at, death));
        account.tokens.clear();
    }

    /// The person takes another handle.
    pub fn rename(&self, account: usize, at: Millis) {
        let renamed = &mut self.inner.lock().unwrap().accounts[account].renamed;
        *renamed = (renamed.0 + 1, at);
    }

    /// Another user has connected the account of somebody who had left.
    pub fn inherit(&self, account: usize, at: Millis) {
        self.inner.lock().unwrap().heirs.insert(account, at);
    }

    /// Who did, and when.
    pub fn heirs(&self) -> BTreeMap<usize, Millis> {
        self.inner.lock().unwrap().heirs.clone()
    }

    /// The handle, and since when it is so.
    pub fn username(&self, account: usize) -> (String, Millis) {
        let (times, at) = self.inner.lock().unwrap().accounts[account].renamed;
        (username(account, times), at)
    }

    pub fn died(&self, account: usize) -> Option<Millis> {
        self.inner.lock().unwrap().accounts[account].died.map(|(at, _)| at)
    }

    /// A token that was issued at `at`, behind the network's back.
    pub fn issue(&self, number: usize, at: Millis) -> String {
        let account = &mut self.inner.lock().unwrap().accounts[number];
        let token = account.issue(at);
        name(number, token.serial)
    }

    /// Whether the token works now.
    pub fn is_alive(&self, token: &str, now: Millis) -> bool {
        let Some((account, serial)) = parse(token) else { return false };
        self.inner.lock().unwrap().accounts[account].find(serial, now).is_some()
    }

    /// A refresh leaves a replica.
    pub fn leaves(&self, account: usize, refresh: UnderWay) {
        let mut inner = self.inner.lock().unwrap();
        let before = std::mem::take(&mut inner.accounts[account].under_way);
        let (ahead, behind) = (inner.clock_errors.iter().max(), inner.clock_errors.iter().min());
        let apart = ahead.zip(behind).map_or(0, |(ahead, behind)| ahead - behind);
        for other in &before {
            // By the clock that is ahead the other's lease had run out, in either order of asking.
            let ran_out = refresh.began.abs_diff(other.began) >= SURELY_LEASED.unsigned_abs();
            if ran_out || apart > TOLERATED || refresh.disturbed || other.disturbed {
                inner.calls.overlaps += 1;
            } else {
                inner.calls.collisions += 1;
            }
        }
        inner.accounts[account].under_way = before;
        inner.accounts[account].under_way.push(refresh);
    }

    /// The replica waits no more for that refresh.
    pub fn ends(&self, account: usize, replica: usize) {
        let under_way = &mut self.inner.lock().unwrap().accounts[account].under_way;
        if let Some(place) = under_way.iter().position(|other| other.replica == replica) {
            under_way.remove(place);
        }
    }

    /// Answers a request that has arrived.
    pub fn answer(&self, url: &Url, form: &[u8], by_person: bool, now: Millis) -> Answer {
        let mut inner = self.inner.lock().unwrap();
        let asked = Asked::of(url);
        let is_refresh = url.path().ends_with("/refresh_access_token");
        if by_person {
            inner.calls.by_people += 1;
        } else if is_refresh {
            inner.calls.refreshes += 1;
        } else {
            inner.calls.identifies += 1;
        }
        inner.calls.in_vain += u64::from(!by_person && !inner.health.answers());
        if !by_person && let Some(darkness) = inner.health.darkness() {
            inner.calls.in_vain_by[darkness] += 1;
        }
        let percent = inner.count(now);
        let token = token_of(url);
        let found = token.as_deref().and_then(parse);
        match inner.health {
            Health::Down => json(503, "{}", None),
            Health::RefusesAll => json(400, recorded!("undecryptable"), None),
            Health::AppDeactivated => json(200, recorded!("deactivated_200"), None),
            Health::RefusesPermission if asked == Asked::AppCall => json(403, REFUSED_SCOPE, None),
            Health::RefusesPermission => json(400, recorded!("no_permission"), None),
            Health::Limited(_) if percent >= 100 => {
                inner.calls.limited += u64::from(!by_person);
                json(
                    400,
                    r#"{"error":{"message":"(#4) Application request limit reached","type":"OAuthException","is_transient":true,"code":4}}"#,
                    Some(percent),
                )
            }
            Health::Fine | Health::Limited(_) => {
                let limited = matches!(inner.health, Health::Limited(_)).then_some(percent);
                if asked == Asked::Code {
                    return inner.redeem(form, now);
                }
                let Some((number, serial)) = found else {
                    return json(400, recorded!("malformed_key"), limited);
                };
                let Some(token) = inner.accounts[number].find(serial, now) else {
                    inner.calls.dead += u64::from(!by_person);
                    return json(400, inner.accounts[number].obituary(serial, now), limited);
                };
                match asked {
                    Asked::Exchange => {
                        let issued = inner.accounts[number].issue(now).serial;
                        return json(200, &long_lived(&name(number, issued)), limited);
                    }
                    // Consent and exchange have succeeded, and nothing after them does.
                    Asked::AppCall | Asked::Whose if number >= inner.people => {
                        return json(400, recorded!("method_type_get"), limited);
                    }
                    Asked::AppCall => return inner.app_call(limited),
                    Asked::Whose => return json(200, &inner.accounts[number].described(number), limited),
                    Asked::Refresh | Asked::Code => {}
                }
                if now - token.issued_at < DAY {
                    inner.calls.too_young += u64::from(!by_person);
                    return json(
                        400,
                        r#"{"error":{"message":"Too young","type":"OAuthException","code":2}}"#,
                        limited,
                    );
                }
                let renewed = inner.accounts[number].renew(self.effect, serial, now);
                inner.calls.renewed += 1;
                json(200, &long_lived(&name(number, renewed)), limited)
            }
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Code,
    Exchange,
    Refresh,
    Whose,
    AppCall,
}

impl Asked {
    fn of(url: &Url) -> Self {
        match url.path() {
            "/oauth/access_token" => Self::Code,
            "/access_token" => Self::Exchange,
            "/refresh_access_token" => Self::Refresh,
            path if path.ends_with("/me") => Self::Whose,
            _ => Self::AppCall,
        }
    }
}

/// So many have an account that the app may not serve.
pub const STRANGERS: usize = 3;

/// The scope of the app's calls, beside the basic one.
pub const INSIGHTS: &str = "instagram_business_manage_insights";
const REFUSED_SCOPE: &str = r#"{"error":{"message":"(#10) Requires instagram_business_manage_insights permission to manage the object","type":"OAuthException","code":10}}"#;
/// What calls of an app meet that ask for the wrong thing.
const ABOUT_THE_CALL: [&str; 5] = [
    r#"{"error":{"message":"(#100) metric[0] must be one of the following values: reach","type":"OAuthException","code":100}}"#,
    r#"{"error":{"message":"You reached the maximum number of posts","type":"OAuthException","code":9,"error_subcode":2207042}}"#,
    r#"{"error":{"message":"The media could not be fetched from this URI.","type":"OAuthException","code":9004,"error_subcode":2207052}}"#,
    r#"{"error":{"message":"Instagram server error. Try again.","type":"OAuthException","code":-1,"error_subcode":2207001}}"#,
    r#"{"error":{"message":"Something new.","type":"OAuthException","code":987654}}"#,
];

/// Instagram's code for an account; each visit has another one.
pub fn code(number: usize, visit: u64) -> String {
    format!("AQ-{number}-{visit}")
}

fn username(number: usize, times: u32) -> String {
    format!("user.{number}.{times}")
}

fn long_lived(token: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{}}}"#, LIFETIME / 1000)
}

impl Inner {
    /// A code for a short-lived token.
    fn redeem(&mut self, form: &[u8], now: Millis) -> Answer {
        let code = url::form_urlencoded::parse(form).find(|(name, _)| name == "code");
        let number = code.and_then(|(_, code)| code.split('-').nth(1)?.parse::<usize>().ok());
        let Some(number) = number else {
            return json(400, recorded!("code_spent"), None);
        };
        let token = name(number, self.accounts[number].issue(now).serial);
        let scopes = format!(r#""instagram_business_basic","{INSIGHTS}""#);
        let id = account_id(number);
        json(200, &format!(r#"{{"access_token":"{token}","user_id":"{id}","permissions":[{scopes}]}}"#), None)
    }

    fn app_call(&mut self, limited: Option<u32>) -> Answer {
        self.calls.by_app += 1;
        // Every third asks for something that there is not.
        let number = usize::try_from(self.calls.by_app).expect("a number");
        if number % 3 == 0 {
            self.calls.about_the_call += 1;
            return json(400, ABOUT_THE_CALL[number / 3 % ABOUT_THE_CALL.len()], limited);
        }
        json(200, r#"{"data":[]}"#, limited)
    }

    /// Counts a call; answers how much of the app's allowance is used.
    fn count(&mut self, now: Millis) -> u32 {
        if now / HOUR != self.hour {
            self.hour = now / HOUR;
            self.in_hour = 0;
        }
        self.in_hour += 1;
        match self.health {
            Health::Limited(allowed) => (self.in_hour * 100) / allowed.max(1),
            Health::Fine
            | Health::Down
            | Health::RefusesAll
            | Health::AppDeactivated
            | Health::RefusesPermission => 0,
        }
    }
}

impl Account {
    fn issue(&mut self, at: Millis) -> Token {
        self.serial += 1;
        let token = Token { serial: self.serial, issued_at: at, expires_at: at + LIFETIME };
        self.tokens.push(token);
        token
    }

    fn find(&self, serial: u32, now: Millis) -> Option<Token> {
        self.tokens.iter().find(|token| token.serial == serial && token.expires_at > now).copied()
    }

    fn renew(&mut self, effect: RefreshEffect, serial: u32, now: Millis) -> u32 {
        self.tokens.retain(|token| token.expires_at > now);
        match effect {
            RefreshEffect::SameToken => {
                for token in self.tokens.iter_mut().filter(|token| token.serial == serial) {
                    token.issued_at = now;
                    token.expires_at = now + LIFETIME;
                }
                serial
            }
            RefreshEffect::BothValid => self.issue(now).serial,
            RefreshEffect::OldDead => {
                self.tokens.clear();
                self.issue(now).serial
            }
        }
    }

    /// As `/me` describes it.
    fn described(&self, number: usize) -> String {
        let username = username(number, self.renamed.0);
        format!(r#"{{"id":"{}","user_id":"1784{number}","username":"{username}"}}"#, account_id(number))
    }

    fn obituary(&self, serial: u32, now: Millis) -> &'static str {
        match self.died {
            Some((_, Death::PasswordChanged)) => recorded!("password_changed"),
            Some((_, Death::Revoked)) => {
                r#"{"error":{"message":"Error validating access token: The user has not authorized application 1.","type":"OAuthException","code":190,"error_subcode":458}}"#
            }
            None if self.tokens.iter().any(|token| token.serial == serial && token.expires_at <= now) => {
                recorded!("expired")
            }
            Some((_, Death::Unexplained)) | None => recorded!("undecryptable"),
        }
    }
}

pub fn account_id(number: usize) -> String {
    format!("2598{number:012}")
}

fn name(number: usize, serial: u32) -> String {
    format!("IGAA{number}x{serial}")
}

fn parse(token: &str) -> Option<(usize, u32)> {
    let (number, serial) = token.strip_prefix("IGAA")?.split_once('x')?;
    Some((number.parse().ok()?, serial.parse().ok()?))
}

fn token_of(url: &Url) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == "access_token").map(|(_, token)| token.into_owned())
}

/// Whose refresh a request is.
pub fn refreshed_account(url: &Url) -> Option<usize> {
    let is_refresh = url.path().ends_with("/refresh_access_token");
    token_of(url).filter(|_| is_refresh).and_then(|token| parse(&token)).map(|(account, _)| account)
}

fn json(status: u16, body: &str, percent: Option<u32>) -> Answer {
    let mut headers = HeaderMap::new();
    if let Some(percent) = percent {
        let figures = format!(r#"{{"call_count":{percent},"total_time":0,"total_cputime":0}}"#);
        headers.insert("x-app-usage", HeaderValue::from_str(&figures).unwrap());
    }
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}
