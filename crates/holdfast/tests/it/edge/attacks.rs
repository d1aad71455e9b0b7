//! Attacks on a running server, one function each: the test of each uses it, and the crowd uses all
//! of them at once.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::standin::instagram::{Decision, decide};
use holdfast::transport::Transport;
use serde_json::{Value, json};
use url::Url;

use super::client::{Client, Raw, Reply};
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::RETURN_TO;
use crate::testing::leaks;

/// Silent connections of the attack of that name.
pub const SILENT: usize = 1100;
/// Stalled bodies of the attack of that name.
pub const STALLED: usize = 140;
/// Clients at a time of the flood of unknown keys.
pub const UNKNOWN_KEYS: u64 = 64;
/// How often a holder looks whether it may go.
const LOOK: Duration = Duration::from_millis(500);
/// Before an attacker who could not even connect tries again.
const AGAIN: Duration = Duration::from_millis(50);

/// What attackers have in common: when to stop, and how their requests were answered.
#[derive(Debug, Default)]
pub struct Attack {
    is_over: AtomicBool,
    answers: Mutex<BTreeMap<String, u64>>,
}

impl Attack {
    pub fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    pub fn ends(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn count(&self, what: &str, answer: &str) {
        *self.answers.lock().unwrap().entry(format!("{what} {answer}")).or_default() += 1;
    }

    /// How often each attack had which answer.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().unwrap().clone()
    }

    /// Asks over and over on a kept connection; opens another where it is cut. `request` makes the
    /// next request.
    pub async fn ask_on(&self, what: &str, from: Client, mut request: impl FnMut() -> String) {
        while self.goes_on() {
            let Ok(mut raw) = from.connect().await else {
                self.count(what, "not let in");
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            while self.goes_on() {
                let Ok(reply) = raw.ask(&request()).await else {
                    self.count(what, "cut");
                    break;
                };
                self.count(what, &reply.status.to_string());
                if reply.header("connection") == Some("close") {
                    break;
                }
            }
        }
    }

    /// Holds one connection that says nothing, and opens another when it is cut. `opened` counts
    /// the first one.
    pub async fn stay_silent(&self, from: Client, opened: &AtomicUsize) {
        let mut is_first = true;
        while self.goes_on() {
            if let Ok(raw) = from.connect().await {
                opened.fetch_add(usize::from(std::mem::take(&mut is_first)), Ordering::Relaxed);
                self.count("silent", "opened");
                self.hold(raw).await;
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Stalls one body after the other.
    pub async fn stall_bodies(&self, from: Client) {
        while self.goes_on() {
            if let Ok(raw) = stalled_body(&from).await {
                let told = self.hold(raw).await;
                self.count("stalled body", told.get(9..12).unwrap_or("cut"));
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Holds an event stream of that user, and opens another where it ends.
    pub async fn hold_stream(&self, from: Client, authorization: String) {
        let request = from.request("GET /user/events", &format!("Authorization: {authorization}\r\n"), "");
        while self.goes_on() {
            let Ok(mut raw) = from.connect().await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let answered = raw.ask(&request).await;
            let told = answered.as_ref().map_or("cut".to_owned(), |reply| reply.status.to_string());
            self.count("stream", &told);
            if answered.is_ok_and(|reply| reply.status == 200) {
                self.hold(raw).await;
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Begins to connect and denies at Instagram, over and over.
    pub async fn begin_and_deny(&self, from: Client, transport: Arc<dyn Transport>, authorization: String) {
        while self.goes_on() {
            match begin_and_deny(&from, &*transport, &authorization).await {
                Ok(Ok(_)) => self.count("begin", "denied"),
                Ok(Err(reply)) => self.count("begin", &reply.status.to_string()),
                Err(_) => self.count("begin", "cut"),
            }
        }
    }

    /// Keeps it until the server closes it or the attack is over; what the server said.
    async fn hold(&self, mut raw: Raw) -> String {
        while self.goes_on() {
            if let Some(said) = raw.rest_within(LOOK).await {
                return said;
            }
        }
        String::new()
    }
}

/// A connection that has sent a third of a body of 60 KB, without any credential.
pub async fn stalled_body(from: &Client) -> io::Result<Raw> {
    let mut raw = from.connect().await?;
    raw.send(from.head("POST /webhooks/clerk", "Content-Length: 60000\r\n").as_bytes()).await?;
    raw.send(&[b'x'; 20_000]).await?;
    Ok(raw)
}

/// Asks for the status with `genuine` under a key id that nobody has; nobody without the private
/// key can do more.
pub fn status_under_unknown_key(from: &Client, genuine: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("ins_2flood{number}")}).to_string();
    let (_, rest) = genuine.split_once('.').unwrap();
    let authorization = format!("Authorization: Bearer {}.{rest}\r\n", URL_SAFE_NO_PAD.encode(header));
    from.request("GET /user/instagram/status", &authorization, "")
}

/// Begins to connect and denies at Instagram: where the browser ends, or the answer that refuses to
/// begin.
pub async fn begin_and_deny(
    from: &Client,
    transport: &dyn Transport,
    authorization: &str,
) -> io::Result<Result<Url, Reply>> {
    let mut raw = from.connect().await?;
    let headers = format!("Authorization: {authorization}\r\nContent-Type: application/json\r\n");
    let body = json!({"return_to": RETURN_TO}).to_string();
    let begun = raw.ask(&from.request("POST /user/instagram/connect", &headers, &body)).await?;
    if begun.status != 201 {
        return Ok(Err(begun));
    }
    let begun: Value = serde_json::from_str(&begun.body).unwrap();
    let authorize: Url = begun["authorize_url"].as_str().unwrap().parse().unwrap();
    for (_, state) in authorize.query_pairs().filter(|(name, _)| name == "state") {
        leaks::secret_if_long(&state);
    }
    let decided = transport.send(decide(authorize, "ada.makes", &Decision::Deny)).await;
    let callback = decided.map_err(io::Error::other)?.location();
    let path = &callback[url::Position::BeforePath..];
    let back = raw.ask(&from.request(&format!("GET {path}"), "", "")).await?;
    Ok(back.header("location").map(|end| end.parse().unwrap()).ok_or(back))
}

/// What has the database asked without any credential: readiness, a service key that nobody has, a
/// redirect and a receipt that nobody was given.
pub fn without_credential(from: &Client) -> [(&'static str, String); 4] {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let key = format!("Authorization: Bearer hf_sk_{number:0>43}\r\n");
    [
        ("readiness", from.request("GET /readyz", "", "")),
        ("service key", from.request("GET /service/connections", &key, "")),
        ("callback", from.request(&format!("GET /instagram/callback?state=flood{number}&code=x"), "", "")),
        ("receipt", from.request(&format!("GET /data-deletion/flood{number}"), "", "")),
    ]
}

/// A request to forget an account, as Meta signs it.
pub fn deletion_request(from: &Client, signed: &str) -> String {
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    from.request("POST /webhooks/instagram/data-deletion", headers, &format!("signed_request={signed}"))
}
