//! What the stand-in remembers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::faults::{Fault, Rotation, Surface};
use super::keys::SigningKey;
use super::mint::Mint;
use super::people::{Person, Record};
use super::{Case, StandinError, UNSUPPORTED_KID};
use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, random};
use crate::lock::Lock;
use crate::transport::{ReqwestTransport, SharedTransport};

/// Shared between the handle and the server.
#[derive(Debug)]
pub struct Shared {
    pub url: Url,
    pub secret_key: String,
    pub webhook_secret: String,
    pub instance_id: String,
    pub transport: SharedTransport,
    clock: SharedClock,
    entropy: SharedEntropy,
    state: Lock<State>,
    asked: [AtomicU64; Surface::ALL.len()],
}

#[derive(Debug)]
struct State {
    keys: Arc<Keys>,
    rotations: u32,
    sessions: HashMap<String, Person>,
    people: Vec<Record>,
    faults: HashMap<Surface, Fault>,
    skew_seconds: i64,
    webhook_target: Option<Url>,
    /// Tokens handed out through the handle; over HTTP a browser may ask for days.
    handed_out: Vec<SecretString>,
}

/// The keys at one time.
#[derive(Debug)]
pub struct Keys {
    /// Signs.
    pub key: Arc<SigningKey>,
    /// Still in the JWKS.
    former: Option<Arc<SigningKey>>,
    /// Never in the JWKS.
    foreign: Arc<SigningKey>,
}

impl Shared {
    pub fn new(url: Url, clock: SharedClock, entropy: SharedEntropy) -> Result<Self, StandinError> {
        let transport = ReqwestTransport::new().map_err(|_| StandinError::Crypto)?;
        let instance_id = format!("ins_2standin{}", name::<8>(&entropy)?);
        let keys = Keys {
            key: Arc::new(SigningKey::generate(instance_id.clone())?),
            former: None,
            foreign: foreign_key()?,
        };
        let now = clock.now();
        Ok(Self {
            url,
            secret_key: format!("sk_test_{}", name::<32>(&entropy)?),
            webhook_secret: format!("whsec_{}", STANDARD.encode(random::<24>(&*entropy)?)),
            instance_id,
            transport: Arc::new(transport),
            clock,
            entropy,
            state: Lock::new(State {
                keys: Arc::new(keys),
                rotations: 0,
                sessions: HashMap::new(),
                people: Person::ALL.iter().map(|person| Record::new(*person, now)).collect(),
                faults: HashMap::new(),
                skew_seconds: 0,
                webhook_target: None,
                handed_out: Vec::new(),
            }),
            asked: Default::default(),
        })
    }

    /// The address without a trailing slash.
    pub fn issuer(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// The stand-in's own time: the shared clock's plus the skew.
    pub fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_secs(self.state().skew_seconds);
        self.clock.now().saturating_add(skew).unwrap_or(Timestamp::MAX)
    }

    /// The shared clock's time, which deliveries are stamped with.
    pub fn true_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.state().keys)
    }

    /// The key set, with one key of a kind that verifiers of RS256 must skip.
    pub fn jwks(&self) -> Value {
        let keys = self.keys();
        let unsupported = json!({
            "use": "sig", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": UNSUPPORTED_KID,
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let rsa = std::iter::once(&keys.key).chain(&keys.former).map(|key| key.jwk());
        json!({ "keys": std::iter::once(unsupported).chain(rsa).collect::<Vec<_>>() })
    }

    pub fn rotate(&self, rotation: Rotation) -> Result<(), StandinError> {
        let (before, count) = {
            let state = self.state();
            (Arc::clone(&state.keys), state.rotations + 1)
        };
        let kid = match rotation {
            Rotation::SameKid => before.key.kid().to_owned(),
            Rotation::NewKid | Rotation::NewKidKeepFormer => format!("{}{count}", self.instance_id),
        };
        let former = (rotation == Rotation::NewKidKeepFormer).then(|| Arc::clone(&before.key));
        // Made without holding the lock: it takes a while.
        let key = Arc::new(SigningKey::generate(kid)?);
        let mut state = self.state();
        state.keys = Arc::new(Keys { key, former, foreign: Arc::clone(&before.foreign) });
        state.rotations = count;
        Ok(())
    }

    pub fn sign_in(&self, person: Person) -> Result<String, StandinError> {
        let session_id = format!("sess_2{}", name::<16>(&self.entropy)?);
        if self.user(person.user_id()).is_none() {
            return Err(StandinError::NoUser);
        }
        self.state().sessions.insert(session_id.clone(), person);
        Ok(session_id)
    }

    pub fn sign_out(&self, session_id: &str) {
        self.state().sessions.remove(session_id);
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "a method's path does not stand for every lifetime"
    )]
    pub fn token(&self, session_id: &str, origin: Option<&str>) -> Result<String, StandinError> {
        let person = self.state().sessions.get(session_id).copied().ok_or(StandinError::NoSession)?;
        self.mint_for(person, session_id, origin, |mint| mint.session_token())
    }

    pub fn mint(&self, case: &Case, person: Person, origin: &str) -> Result<String, StandinError> {
        self.mint_with(person, Some(origin), |mint| case.make(mint))
    }

    pub fn mint_with(
        &self,
        person: Person,
        origin: Option<&str>,
        make: impl FnOnce(&Mint<'_>) -> Result<String, StandinError>,
    ) -> Result<String, StandinError> {
        self.mint_for(person, &format!("sess_2{}", name::<16>(&self.entropy)?), origin, make)
    }

    fn mint_for(
        &self,
        person: Person,
        session_id: &str,
        azp: Option<&str>,
        make: impl FnOnce(&Mint<'_>) -> Result<String, StandinError>,
    ) -> Result<String, StandinError> {
        let (keys, issuer, token_id) = (self.keys(), self.issuer(), name::<10>(&self.entropy)?);
        make(&Mint {
            key: &keys.key,
            foreign: &keys.foreign,
            issuer: &issuer,
            azp,
            user_id: person.user_id(),
            session_id,
            token_id: &token_id,
            now: self.now().as_second(),
        })
    }

    pub fn set_fault(&self, surface: Surface, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.faults.insert(surface, fault),
            None => state.faults.remove(&surface),
        };
    }

    /// Counts a request and says how it is to fail.
    pub fn ask(&self, surface: Surface) -> Option<Fault> {
        self.asked[surface as usize].fetch_add(1, Ordering::Relaxed);
        self.state().faults.get(&surface).copied()
    }

    pub fn requests(&self, surface: Surface) -> u64 {
        self.asked[surface as usize].load(Ordering::Relaxed)
    }

    pub fn set_skew(&self, seconds: i64) {
        self.state().skew_seconds = seconds;
    }

    /// The `User` object, unless there is no such user any more.
    pub fn user(&self, user_id: &str) -> Option<Value> {
        let state = self.state();
        state
            .people
            .iter()
            .find(|each| each.person.user_id() == user_id && !each.deleted)
            .map(Record::to_json)
    }

    pub fn users(&self) -> Vec<Value> {
        self.state().people.iter().filter(|each| !each.deleted).map(Record::to_json).collect()
    }

    pub fn rename(&self, person: Person, first_name: &str) -> Timestamp {
        self.change(person, |record| first_name.clone_into(&mut record.first_name))
    }

    /// Moves `updated_at` on without changing anything else.
    pub fn touch(&self, person: Person) -> Timestamp {
        self.change(person, |_| ())
    }

    pub fn delete(&self, person: Person) -> Timestamp {
        self.state().sessions.retain(|_, each| *each != person);
        self.change(person, |record| record.deleted = true)
    }

    /// Changes a record; its `updated_at` always grows, also when the clock stands still.
    fn change(&self, person: Person, change: impl FnOnce(&mut Record)) -> Timestamp {
        let now = self.now();
        let mut state = self.state();
        let Some(record) = state.people.iter_mut().find(|each| each.person == person) else { return now };
        let next = record.updated_at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(now);
        record.updated_at = next.max(now);
        change(record);
        record.updated_at
    }

    pub fn set_webhook_target(&self, target: Url) {
        self.state().webhook_target = Some(target);
    }

    pub fn webhook_target(&self) -> Option<Url> {
        self.state().webhook_target.clone()
    }

    /// Remembers a token.
    pub fn hand_out(&self, token: &str) {
        self.state().handed_out.push(SecretString::from(token));
    }

    pub fn handed_out(&self) -> Vec<SecretString> {
        self.state().handed_out.clone()
    }

    /// A new `svix-id`.
    pub fn message_id(&self) -> Result<String, StandinError> {
        Ok(format!("msg_2{}", name::<16>(&self.entropy)?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A name of `N` random bytes, letters and digits.
fn name<const N: usize>(entropy: &SharedEntropy) -> Result<String, StandinError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<N>(&**entropy)?).replace(['-', '_'], "x"))
}

/// A stranger's key, which stands in no JWKS. One for the process, because making a key takes a
/// while.
fn foreign_key() -> Result<Arc<SigningKey>, StandinError> {
    static FOREIGN: OnceLock<Arc<SigningKey>> = OnceLock::new();
    if let Some(key) = FOREIGN.get() {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(SigningKey::generate("ins_2foreign")?);
    Ok(Arc::clone(FOREIGN.get_or_init(|| key)))
}
