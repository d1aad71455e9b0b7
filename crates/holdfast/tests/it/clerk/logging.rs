//! What the verifier writes into the log: one line per refusal that helps the operator, and nothing
//! secret.

use std::io::Write;
use std::sync::{Arc, Mutex};

use clerk_session::OriginPattern;
use holdfast::caller::keys::{BackendKeys, KeyServer, KeySource};
use holdfast::caller::{Authentication, ClerkConfig, SessionVerifier, policy};
use holdfast::clerk::backend::BackendApi;
use holdfast::standin::clerk::{Case, Expectation, Person};
use secrecy::ExposeSecret;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::{Clerk, ORIGIN, as_read, transport};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Written {
    /// Runs with everything logged, on this thread.
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn refusals(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["fields"]["message"] == "session token refused")
            .map(|line| line["fields"].clone())
            .collect()
    }
}

fn verifier(clerk: &Clerk) -> SessionVerifier {
    let policy = policy(vec![clerk.standin.issuer()], vec![OriginPattern::parse(ORIGIN).unwrap()]);
    let keys = KeySource::Fetched(vec![KeyServer::public(clerk.standin.jwks_url())]);
    let config = ClerkConfig { policy, keys, kept_keys: None };
    SessionVerifier::new(config, transport(), clerk.shared_clock()).unwrap()
}

#[tokio::test]
async fn no_part_of_any_token_is_written_at_any_level() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk);
    let corpus = clerk.standin.corpus(Person::Ada, ORIGIN).unwrap();
    let written = Written::default();
    {
        let _guard = written.capture();
        for token in &corpus {
            verifier.judge(&[format!("Bearer {}", token.token).as_bytes()], "req_test").await;
        }
    }
    let text = written.text();
    for token in &corpus {
        let whole_and_parts = std::iter::once(token.token.as_str()).chain(token.token.split('.'));
        // Shorter parts are no secrets, and occur by chance.
        for part in whole_and_parts.filter(|part| part.len() >= 40) {
            assert!(!text.contains(part), "{}", token.name);
        }
    }
    assert!(!text.is_empty());
}

#[tokio::test]
async fn the_secret_key_is_not_written_when_it_is_used() {
    let clerk = Clerk::start().await;
    let secret_key = clerk.standin.secret_key();
    let api = BackendKeys { base: clerk.standin.url(), secret_key: as_read(&secret_key) };
    let keys = KeySource::Fetched(vec![KeyServer::backend(&api)]);
    let policy = policy(vec![clerk.standin.issuer()], Vec::new());
    let config = ClerkConfig { policy, keys, kept_keys: None };
    let verifier = SessionVerifier::new(config, transport(), clerk.shared_clock()).unwrap();
    let backend =
        BackendApi::new(clerk.standin.url(), &as_read(&secret_key), transport(), clerk.shared_clock());
    let session = clerk.standin.sign_in(Person::Ada).unwrap();
    let token = clerk.standin.token(&session, None).unwrap();
    let written = Written::default();
    {
        let _guard = written.capture();
        let judgement = verifier.judge(&[format!("Bearer {token}").as_bytes()], "req_test").await;
        assert!(matches!(judgement, Authentication::Caller(_)), "{judgement:?}");
        backend.user(Person::Ada.user_id()).await.unwrap();
        tracing::trace!(?verifier, ?backend, "both of them, as somebody might log them");
    }
    let text = written.text();
    assert!(text.contains("both of them"));
    assert!(!text.contains(secret_key.expose_secret()));
    assert!(!text.contains(&token));
}

#[tokio::test]
async fn a_refusal_is_one_line_that_names_code_step_and_request() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk);
    let case = Case::find("azp-other").unwrap();
    let token = clerk.standin.mint(case, Person::Ada, ORIGIN).unwrap();
    let written = Written::default();
    {
        let _guard = written.capture();
        verifier.judge(&[format!("Bearer {token}").as_bytes()], "req_1234").await;
    }
    let lines = written.refusals();
    assert_eq!(lines.len(), 1);
    assert_eq!(case.expect, Expectation::Refused("token-invalid-authorized-parties"));
    assert_eq!(lines[0]["code"], "token-invalid-authorized-parties");
    assert_eq!(lines[0]["step"], "authorized-party");
    assert_eq!(lines[0]["request_id"], "req_1234");
    assert_eq!(lines[0]["fingerprint"], clerk_session::fingerprint(&token));
    // The operator learns which party it was and which are accepted.
    let detail = lines[0]["detail"].as_str().unwrap();
    assert!(detail.contains("attacker.example") && detail.contains(ORIGIN), "{detail}");
}

#[tokio::test]
async fn the_debug_mode_writes_each_step_of_the_verdict() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk);
    let token = clerk.standin.mint(Case::find("azp-other").unwrap(), Person::Ada, ORIGIN).unwrap();
    let written = Written::default();
    {
        let _guard = written.capture();
        verifier.judge(&[format!("Bearer {token}").as_bytes()], "req_1234").await;
    }
    let steps: Vec<Value> = written
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone())
        .filter(|fields| fields["message"] == "verification step")
        .collect();
    assert!(steps.len() >= 10, "{steps:?}");
    let outcome = |name: &str| steps.iter().find(|each| each["step"] == name).unwrap()["outcome"].clone();
    assert_eq!((outcome("signature"), outcome("authorized-party")), ("Passed".into(), "Failed".into()));
    assert!(steps.iter().all(|each| each["request_id"] == "req_1234"));
}

#[tokio::test]
async fn a_flood_writes_few_lines_and_says_how_many_it_left_out() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk);
    let written = Written::default();
    {
        let _guard = written.capture();
        for _ in 0..500 {
            verifier.judge(&[b"Bearer null"], "req_test").await;
        }
        clerk.advance(10);
        verifier.judge(&[b"Bearer null"], "req_test").await;
    }
    let lines = written.refusals();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20]["suppressed"], 480);
}
