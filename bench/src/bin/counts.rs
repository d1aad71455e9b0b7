//! Does one thing several times, for callgrind to count its instructions: see `scripts/counts.sh`.
//!
//! Only what happens within [`measured`] is counted (`--toggle-collect`).
#![allow(clippy::print_stdout, reason = "a command")]

#[path = "../connected.rs"]
mod connected;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use clerk_session::{KeySet, Policy, Verdict, Verifier};
use holdfast::allocator::{ALLOCATOR, Allocator};
use holdfast::app::{Seams, Server};
use holdfast::clock::{ManualClock, SharedClock, after, from_millis};
use holdfast::connection::observation::Observation;
use holdfast::connection::transition::apply;
use holdfast::connection::{Connection, GrantFacts};
use holdfast::connections::grants::RowSeal;
use holdfast::entropy::{SeededEntropy, SharedEntropy, SystemEntropy};
use holdfast::http::Application;
use holdfast::provider::Grant;
use holdfast::settings::{Environment, Purpose, load};
use holdfast::standin::clerk::{ClerkStandin, Person};
use holdfast::store::{ChangeSet, ConnectionWrite, Store, StoreOptions};
use holdfast::transport::ReqwestTransport;
use holdfast::vault::{KeyRing, Vault};
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;

#[global_allocator]
static AS_SHIPPED: Allocator = ALLOCATOR;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ORIGIN: &str = "https://app.example.com";
const USER: &str = "user_2counts000000000000000000";
const KEYS: &str = "counts:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
/// So that what happens only the first time is not counted.
const BEFORE: usize = 8;
const TIMES: usize = 32;

fn main() -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // No time passes: what is done once in so many seconds would be counted by chance.
    let clock: SharedClock = Arc::new(ManualClock::new(from_millis(1_800_000_000_000)));
    let clerk = runtime.block_on(standin(&clock))?;
    verify(&clerk, &clock)?;
    sealing("seal", true, &clock)?;
    sealing("open", false, &clock)?;
    transition(&clock)?;
    let directory = tempfile::tempdir()?;
    let application = runtime.block_on(application(directory.path(), &clerk, &clock))?;
    for operation in ["healthz", "forward-auth", "status", "unchanged", "new-token", "refused", "missing"] {
        request(&runtime, &clerk, &application, operation)?;
    }
    Ok(())
}

/// What is counted, and written down by callgrind when it returns.
#[inline(never)]
fn measured(operation: &mut dyn FnMut()) {
    operation();
}

/// Does it [`TIMES`] times, and says what it was.
fn count(name: &str, mut operation: impl FnMut(usize)) {
    for number in 0..BEFORE {
        operation(number);
    }
    measured(&mut || {
        for number in BEFORE..BEFORE + TIMES {
            operation(number);
        }
    });
    println!("{name} {TIMES}");
}

async fn standin(clock: &SharedClock) -> Fallible<ClerkStandin> {
    Ok(ClerkStandin::start(clock.clone(), Arc::new(SystemEntropy)).await?)
}

/// Genuine, good for an hour or expired as long ago. Not a forged one: whether a signature that is
/// none is seen to be none before or after the arithmetic is chance.
fn token(clerk: &ClerkStandin, number: usize, is_expired: bool) -> Fallible<String> {
    Ok(clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| {
        let lives_s = if is_expired { -3600 } else { 3600 };
        mint.with_claims(|claims| {
            claims.insert("sub".to_owned(), USER.into());
            claims.insert("exp".to_owned(), (mint.now + lives_s).into());
            claims.insert("jti".to_owned(), format!("counts{number:04}").into());
        })
    })?)
}

/// One session token by one key, parsed beforehand.
fn verify(clerk: &ClerkStandin, clock: &SharedClock) -> Fallible<()> {
    let keys = KeySet::from_pem(&clerk.jwt_key()?)?;
    let mut policy = Policy::default();
    policy.issuers = vec![clerk.issuer()];
    let verifier = Verifier::new(policy);
    let (token, now) = (token(clerk, 0, false)?, clock.now().as_millisecond());
    let mut accepted = 0;
    count("verify", |_| {
        accepted += usize::from(matches!(verifier.verify(&token, &keys, now), Verdict::Accepted(_)));
    });
    expect(accepted, BEFORE + TIMES)
}

/// The same person's at each call but for its id.
fn connection() -> Fallible<Connection> {
    connected::connection(USER.to_owned(), 0)
}

fn transition(clock: &SharedClock) -> Fallible<()> {
    let (before, now) = (connection()?, clock.now());
    let grant =
        GrantFacts { version: 2, obtained_at: now, expires_at: after(now, Duration::from_hours(1440)) };
    let next_refresh_at = after(now, Duration::from_hours(720));
    let refreshed = Observation::Refreshed { from_version: 1, grant, granted: None, next_refresh_at };
    let mut changed = 0;
    count("transition", |_| changed += usize::from(apply(&before, &refreshed, now).grant == Some(grant)));
    expect(changed, BEFORE + TIMES)
}

/// A grant under its user's data key.
fn sealing(name: &str, seal: bool, clock: &SharedClock) -> Fallible<()> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(7));
    let (key, _) = Vault::new(KeyRing::parse(KEYS)?, entropy).new_user_key(USER)?;
    let (connection, now) = (connection()?, clock.now());
    let row = RowSeal::of_connection(&key, &connection);
    let grant =
        Grant { access_token: "IGAA".repeat(50).into(), scopes: None, obtained_at: now, expires_at: now };
    let sealed = row.seal_grant(1, &grant)?;
    let mut done = 0;
    count(name, |_| {
        done += usize::from(if seal {
            row.seal_grant(1, &grant).is_ok()
        } else {
            row.open_grant(&sealed).is_ok()
        });
    });
    expect(done, BEFORE + TIMES)
}

/// A request from the application inwards: every layer, the verdict, the database, the answer.
fn request(
    runtime: &Runtime,
    clerk: &ClerkStandin,
    application: &Application,
    operation: &str,
) -> Fallible<()> {
    let expected = match operation {
        "refused" | "missing" => 401,
        "unchanged" => 304,
        _ => 200,
    };
    // Made once: a token that was made a second later is another one, and not remembered.
    let known = token(clerk, 0, false)?;
    let mut requests = Vec::new();
    for number in 0..BEFORE + TIMES {
        let path = match operation {
            "healthz" => "/healthz",
            "forward-auth" => "/forward-auth",
            _ => "/user/instagram/status",
        };
        let mut request = Request::builder().uri(path).header("host", "api.example.com");
        if !matches!(operation, "healthz" | "missing") {
            // A refused token is another one each time, or the loop breaker answers.
            let bearer = match operation {
                "refused" | "new-token" => token(clerk, number, operation == "refused")?,
                _ => known.clone(),
            };
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if operation == "unchanged" {
            request = request.header("if-none-match", "*");
        }
        requests.push(Some(request.body(Body::empty())?));
    }
    let mut as_expected = 0;
    count(operation, |number| {
        let Some(request) = requests[number].take() else { return };
        let answered = runtime.block_on(async {
            let response = application.answer(request, None).await;
            let status = response.status().as_u16();
            response.into_body().collect().await.map(|_| status)
        });
        as_expected += usize::from(answered.is_ok_and(|status: u16| status == expected));
    });
    expect(as_expected, BEFORE + TIMES)
}

/// The application of a server over a database with one connection.
async fn application(
    directory: &std::path::Path,
    clerk: &ClerkStandin,
    clock: &SharedClock,
) -> Fallible<Application> {
    let url = format!("sqlite://{}", directory.join("counts.db").display());
    connect(&url, directory, clock).await?;
    let environment = Environment::of([
        ("HOLDFAST_DATABASE_URL", url),
        ("HOLDFAST_ENCRYPTION_KEYS", KEYS.to_owned()),
        ("HOLDFAST_ALLOWED_ORIGINS", ORIGIN.to_owned()),
        ("HOLDFAST_WORKER", "off".to_owned()),
        ("HOLDFAST_JOURNAL_DIR", directory.display().to_string()),
        ("CLERK_JWT_KEY", clerk.jwt_key()?),
        ("CLERK_ISSUER", clerk.issuer()),
        ("INSTAGRAM_APP_ID", "990602627938098".to_owned()),
        ("INSTAGRAM_APP_SECRET", "not-used-by-the-routes-measured-here".to_owned()),
    ]);
    let settings = load(&environment, None, Purpose::Serve).map_err(|faults| faults.to_string())?;
    let seams = Seams {
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        transport: Arc::new(ReqwestTransport::new()?),
    };
    // What answers needs no listener.
    Ok(Server::build(&settings, &seams).await?.application())
}

/// Connects one person. The store is gone afterwards, and with it its claim to the file.
async fn connect(url: &str, directory: &std::path::Path, clock: &SharedClock) -> Fallible<()> {
    let store = Store::open(&StoreOptions::serve(url), clock.clone()).await?;
    store.migrate().await?;
    rusqlite::Connection::open(directory.join("counts.db"))?
        .execute("INSERT INTO users (id, created_at, updated_at) VALUES ($1, 0, 0)", [USER])?;
    let write = ConnectionWrite { expected_version: None, connection: connection()? };
    store.commit(&ChangeSet { connection: Some(write), ..ChangeSet::default() }).await?;
    store.close().await;
    Ok(())
}

fn expect(got: usize, wanted: usize) -> Fallible<()> {
    if got == wanted { Ok(()) } else { Err(format!("{got} of {wanted} went as expected").into()) }
}
