//! The Backend API client against `emulate`, an emulator of Clerk that others wrote.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use holdfast::clerk::backend::BackendApi;
use holdfast::clock::{SharedClock, SystemClock};
use holdfast::transport::{Answer, Outgoing, SharedTransport};
use http::{HeaderValue, Method};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::{as_read, transport};
use crate::testing::answer::AnswerExt as _;
use crate::testing::leaks::{self, Watch};
use crate::testing::ports::ReservedPort;
use crate::testing::waiting::{PATIENCE, until};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulate");
const INSTALL: &str = "npm ci --prefix crates/holdfast/tests/emulate";
const SECRET_KEY: &str = "sk_test_emulate_and_nothing_else";

/// A running emulator; ends with the test.
pub struct Emulate {
    process: Child,
    pub url: Url,
    transport: SharedTransport,
    _port: ReservedPort,
    /// Searches the log when the test ends.
    _watch: Watch,
}

impl Drop for Emulate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulate {
    pub async fn start() -> Self {
        let watch = Watch::start();
        leaks::secret(SECRET_KEY);
        let program = Path::new(DIRECTORY).join("node_modules/emulate/dist/index.js");
        assert!(program.exists(), "the emulator of Clerk is not installed; run: {INSTALL}");
        // It takes no port 0.
        let reserved = ReservedPort::new();
        let port = reserved.address().port();
        let process = Command::new("node")
            .arg(program)
            .args(["start", "--service", "clerk", "--port", &port.to_string()])
            .current_dir(DIRECTORY)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("Node.js 20 or newer is needed to run the emulator: {error}"));
        let url = Url::parse(&format!("http://localhost:{port}")).unwrap();
        let emulate = Self { process, url, transport: transport(), _port: reserved, _watch: watch };
        emulate.wait().await;
        emulate
    }

    async fn wait(&self) {
        until("the emulator answers", async || {
            let request = Outgoing::new(Method::GET, self.url.join("/v1/jwks").unwrap());
            self.transport.send(request).await.is_ok()
        })
        .await;
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Outgoing::new(method, self.url.join(path).unwrap());
        let bearer = HeaderValue::from_str(&format!("Bearer {SECRET_KEY}")).unwrap();
        request.headers.insert("authorization", bearer);
        request.headers.insert("content-type", HeaderValue::from_static("application/json"));
        request.body = body.map(|body| body.to_string().into()).unwrap_or_default();
        request.timeout = PATIENCE;
        self.transport.send(request).await.unwrap()
    }

    pub fn secret_key() -> SecretString {
        SecretString::from(SECRET_KEY)
    }

    pub fn api(&self, clock: SharedClock) -> BackendApi {
        BackendApi::new(self.url.clone(), &as_read(&Self::secret_key()), transport(), clock)
    }
}

#[tokio::test]
async fn a_user_made_there_is_read_by_the_real_client() {
    let emulate = Emulate::start().await;
    let body = json!({"first_name": "Ada", "last_name": "Lovelace", "email_address": ["ada@example.com"]});
    let made = emulate.call(Method::POST, "/v1/users", Some(body)).await.json();
    let user_id = made["id"].as_str().unwrap();

    let facts = emulate.api(Arc::new(SystemClock)).user(user_id).await.unwrap();
    assert_eq!(facts.email.as_deref(), Some("ada@example.com"));
    assert_eq!(facts.email_verified, Some(true));
    assert_eq!(facts.first_name.as_deref(), Some("Ada"));
    assert_eq!(facts.last_name.as_deref(), Some("Lovelace"));
    // It counts seconds where Clerk counts milliseconds.
    assert_eq!(facts.updated_at.unwrap().as_second(), made["updated_at"].as_i64().unwrap());
}
