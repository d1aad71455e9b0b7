//! `dev`: the unchanged server with stand-ins for the outside world, in one process, with nothing
//! to configure.

mod clock;
mod guide;
mod home;
mod pages;

use std::net::{Ipv4Addr, SocketAddr};

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_session::OriginPattern;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use url::Url;

use super::args::DevArgs;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome, told};
use super::printer::Printer;
use super::serve::{ignore_hangup, seams, stop_signal};
use crate::app::{Seams, Server};
use crate::caller::service;
use crate::entropy::{self, SharedEntropy};
use crate::settings::{self, Environment, Purpose, Settings};
use crate::standin::Outside;
use crate::standin::clerk::Person;
use crate::standin::instagram::Options;
use crate::store::NewServiceKey;
use crate::telemetry;
use clock::MovableClock;
use home::Home;
use pages::Places;

/// Ports of the stand-ins, counted from the server's.
const CLERK_STEP: u16 = 1;
const INSTAGRAM_STEP: u16 = 2;

/// Runs the command.
pub async fn run(context: &Context, args: &DevArgs, printer: &mut Printer) -> Outcome {
    let log = context.environment.get("HOLDFAST_LOG").unwrap_or("warn");
    telemetry::install(log, None)?;
    let clock = MovableClock::new();
    let context = &Context { clock: Arc::new(clock.clone()), ..context.clone() };
    let seams = seams(context)?;
    let stop = stop_signal()?;
    ignore_hangup()?;
    let home = Home::open(args.data.as_deref(), &seams)?;
    let (listener, address) = listen(args.port).await?;
    let ports = [CLERK_STEP, INSTAGRAM_STEP].map(|step| beside(args.port, step));
    let Seams { clock: shared, entropy, transport } = seams.clone();
    let outside =
        Outside::start(ports, Options::default(), shared, entropy, transport).await.map_err(told)?;
    let webhook = args.webhook.clone().map(|url| Webhook::new(url, &seams.entropy)).transpose()?;
    let settings = settings(address, &args.origin, webhook.as_ref(), &home, &outside)?;
    let server = Server::build(&settings, &seams).await.map_err(told)?;
    outside.introduce(&settings.public_url);
    let places = Places {
        server: settings.public_url.clone(),
        clerk: outside.clerk.url(),
        instagram: outside.instagram.url().clone(),
    };
    if args.port != 0 && address.port() != args.port {
        printer.remark(format!("Port {} is in use; this run uses {}.", args.port, address.port()));
    }
    let key = service_key(context, &settings).await?;
    let session = outside.clerk.sign_in(Person::Ada).map_err(told)?;
    let credentials = guide::Credentials { session: &session, service_key: &key, webhook: webhook.as_ref() };
    guide::print(&places, &credentials, &home.path, home.is_temporary, printer);
    server.wrapped(|app| pages::in_front_of(app, &places, clock, &seams)).run(listener, stop).await;
    drop(home);
    Ok(ExitStatus::Success)
}

/// Where events go, and what they are signed with.
struct Webhook {
    url: Url,
    secret: SecretString,
}

impl Webhook {
    fn new(url: Url, entropy: &SharedEntropy) -> Result<Self, Failure> {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes)?;
        Ok(Self { url, secret: format!("whsec_{}", STANDARD.encode(bytes)).into() })
    }
}

/// A key for the app's own backend, made anew at each start.
async fn service_key(context: &Context, settings: &Settings) -> Result<SecretString, Failure> {
    let store = context.store(settings).await?;
    let secret = service::generate(&*context.entropy)?;
    let now = context.clock.now();
    let id = entropy::new_id(&*context.entropy, now)?;
    let key = NewServiceKey { id, name: "dev".to_owned(), hash: secret.hash };
    store.insert_service_key(&key, now).await?;
    Ok(secret.key)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The port of a stand-in; 0 (any free one) where the server's is any as well.
fn beside(port: u16, step: u16) -> u16 {
    if port == 0 { 0 } else { port.checked_add(step).unwrap_or(0) }
}

/// The wanted port, or a free one where it is taken.
async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = match TcpListener::bind(loopback(port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(loopback(0)).await.map_err(told)?,
    };
    let address = listener.local_addr().map_err(told)?;
    Ok((listener, address))
}

/// Where an app that is being developed is served: by Next and Create React App, by Vite's preview,
/// by Angular, Astro and Vite, the second ports of Next and Vite included. Not every port of this
/// machine, where others may run programs that serve pages too.
const USUAL_PORTS: [u16; 7] = [3000, 3001, 4173, 4200, 4321, 5173, 5174];

/// The settings as an operator would write them, through the loader that reads an operator's.
fn settings(
    address: SocketAddr,
    origins: &[OriginPattern],
    webhook: Option<&Webhook>,
    home: &Home,
    outside: &Outside,
) -> Result<Settings, Failure> {
    let here = format!("http://{address}");
    let usual =
        USUAL_PORTS.map(|port| ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}")));
    let allowed: Vec<&str> = [here.as_str()]
        .into_iter()
        .chain(usual.as_flattened().iter().map(String::as_str))
        .chain(origins.iter().map(OriginPattern::as_str))
        .collect();
    let events = webhook.map(|Webhook { url, secret }| {
        [
            ("HOLDFAST_WEBHOOK_URL", url.to_string()),
            ("HOLDFAST_WEBHOOK_SECRET", secret.expose_secret().to_owned()),
        ]
    });
    let fixed = [
        ("HOLDFAST_LISTEN", address.to_string()),
        ("HOLDFAST_DATABASE_URL", format!("sqlite://{}", home.path.join("holdfast.db").display())),
        ("HOLDFAST_ENCRYPTION_KEYS", home.key.clone()),
        ("HOLDFAST_ALLOWED_ORIGINS", allowed.join(",")),
        ("HOLDFAST_DRAIN_S", "0".to_owned()),
        // A person who tries faults by hand should not wait a minute between two checks.
        ("HOLDFAST_CHECK_INTERVAL_S", "1".to_owned()),
        // More than the default, so that there is a permission to leave out on the consent page.
        ("INSTAGRAM_SCOPES", "instagram_business_basic,instagram_business_content_publish".to_owned()),
    ];
    let environment =
        Environment::of(fixed.into_iter().chain(outside.settings()).chain(events.into_iter().flatten()));
    settings::load(&environment, None, Purpose::Serve).map_err(|faults| {
        let is_given = !origins.is_empty() || webhook.is_some();
        let remedy = if is_given { "correct --origin or --webhook" } else { "please report this" };
        Failure::setup(format!("the stand-ins do not fit the server\n{faults}"), remedy)
    })
}
