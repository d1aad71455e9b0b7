//! The server under measurement, as it is shipped: `holdfast serve` over a database of people who
//! are connected.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use holdfast::clock::{Clock, SharedClock, SystemClock};
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::{ClerkStandin, Person};

use crate::process::{self, Server};
use crate::{Fallible, fill};

/// The web app whose people call.
pub const ORIGIN: &str = "https://app.example.com";
/// People who are connected and poll their status: each request is another one's, as with open
/// tabs.
pub const PEOPLE: usize = 10_000;
/// Longer than a run takes, so that no token expires in the middle of one.
const TOKEN_LIFETIME_SECONDS: i64 = 3600;

/// Session tokens, made by the stand-in for Clerk and written to files for the generator.
pub struct Tokens {
    clerk: ClerkStandin,
    directory: PathBuf,
    made: usize,
}

impl Tokens {
    /// Starts the stand-in.
    pub async fn start(directory: &Path) -> Fallible<Self> {
        let clerk = ClerkStandin::start(clock(), Arc::new(SystemEntropy)).await?;
        Ok(Self { clerk, directory: directory.to_owned(), made: 0 })
    }

    /// A file with a good token for each of the people.
    pub fn good(&mut self) -> Fallible<PathBuf> {
        self.fresh(PEOPLE)
    }

    /// A file with `count` good tokens that nobody has seen before, of one person after the other.
    pub fn fresh(&mut self, count: usize) -> Fallible<PathBuf> {
        self.of(count, |number| number % PEOPLE)
    }

    fn of(&mut self, count: usize, whose: impl Fn(usize) -> usize) -> Fallible<PathBuf> {
        self.write(count, |clerk, number| {
            Ok(clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| {
                mint.with_claims(|claims| {
                    claims.insert("sub".to_owned(), user_id(whose(number)).into());
                    claims.insert("exp".to_owned(), (mint.now + TOKEN_LIFETIME_SECONDS).into());
                    claims.insert("jti".to_owned(), format!("bench{number}").into());
                })
            })?)
        })
    }

    /// A file with as many good tokens as there are [`PEOPLE`], of people spread evenly over
    /// `size`.
    pub fn spread(&mut self, size: usize) -> Fallible<PathBuf> {
        self.of(PEOPLE, move |number| (number % PEOPLE) * (size / PEOPLE))
    }

    /// A file with `count` tokens whose signatures are forged, each another one.
    pub fn forged(&mut self, count: usize) -> Fallible<PathBuf> {
        self.write(count, |clerk, number| {
            Ok(clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| {
                mint.forged(|claims| drop(claims.insert("jti".to_owned(), format!("forged{number}").into())))
            })?)
        })
    }

    /// The public key, PEM.
    pub fn jwt_key(&self) -> Fallible<String> {
        Ok(self.clerk.jwt_key()?)
    }

    /// Who signs them.
    pub fn issuer(&self) -> String {
        self.clerk.issuer()
    }

    fn write(
        &mut self,
        count: usize,
        make: impl Fn(&ClerkStandin, usize) -> Fallible<String>,
    ) -> Fallible<PathBuf> {
        let mut lines = String::new();
        for _ in 0..count {
            self.made += 1;
            lines.push_str(&make(&self.clerk, self.made)?);
            lines.push('\n');
        }
        let path = self.directory.join(format!("tokens-{}", self.made));
        std::fs::write(&path, lines)?;
        Ok(path)
    }
}

/// How a server is started.
pub struct Options<'a> {
    /// The binary.
    pub binary: &'a Path,
    /// Its database.
    pub database_url: &'a str,
    /// `HOLDFAST_LOG`.
    pub log: &'a str,
    /// Where its log goes.
    pub log_file: &'a Path,
    /// Where its traces go.
    pub collector: Option<SocketAddr>,
    /// Where its grants are renewed.
    pub instagram: Option<SocketAddr>,
    /// Whether its worker runs.
    pub worker: bool,
}

/// `HOLDFAST_ENCRYPTION_KEYS`.
pub const KEY_RING: &str = "bench:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// Connects everybody to an Instagram account and starts `holdfast serve`.
pub async fn start(options: &Options<'_>, tokens: &Tokens) -> Fallible<Server> {
    fill::people(options.database_url, 0, PEOPLE, SystemClock.now().as_millisecond()).await?;
    serve(options, tokens).await
}

/// Starts `holdfast serve` over the database as it is.
pub async fn serve(options: &Options<'_>, tokens: &Tokens) -> Fallible<Server> {
    let address = process::free_port()?;
    let mut command = Command::new(options.binary);
    command
        .arg("serve")
        .env_clear()
        .env("HOLDFAST_LISTEN", address.to_string())
        .env("HOLDFAST_DATABASE_URL", options.database_url)
        .env("HOLDFAST_ENCRYPTION_KEYS", KEY_RING)
        .env("HOLDFAST_WORKER", if options.worker { "on" } else { "off" })
        .env("HOLDFAST_ALLOWED_ORIGINS", ORIGIN)
        .env("HOLDFAST_LOG", options.log)
        .env("CLERK_JWT_KEY", tokens.jwt_key()?)
        .env("CLERK_ISSUER", tokens.clerk.issuer())
        .env("INSTAGRAM_APP_ID", "990602627938098")
        .env("INSTAGRAM_APP_SECRET", "not-used-by-the-routes-measured-here")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(options.log_file)?);
    if let Some(collector) = options.collector {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
    }
    if let Some(instagram) = options.instagram {
        command.env("INSTAGRAM_GRAPH_URL", format!("http://{instagram}"));
    }
    Server::listening(command, address).await
}

/// Who the `number`-th person is.
pub fn user_id(number: usize) -> String {
    format!("user_2bench{number:020}")
}

pub fn clock() -> SharedClock {
    Arc::new(SystemClock)
}
