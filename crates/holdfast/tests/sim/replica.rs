//! One replica: the production worker, domain and client, over simulated surroundings.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use holdfast::clock::SharedClock;
use holdfast::connection::return_url::ReturnUrl;
use holdfast::connection::schedule::RefreshPolicy;
use holdfast::connections::callback::{CallbackOutcome, CallbackQuery};
use holdfast::connections::connect::ConnectRequest;
use holdfast::connections::journal::Journal;
use holdfast::connections::{Connections, Parts};
use holdfast::entropy::{SeededEntropy, SharedEntropy};
use holdfast::provider::instagram::{Instagram, InstagramConfig};
use holdfast::provider::{PassThrough, ProviderId};
use holdfast::store::Store;
use holdfast::vault::{KeyRing, Vault};
use holdfast::worker::Worker;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::baton::{DAY, ReplicaClock};
use super::dice::Dice;
use super::instagram::{INSIGHTS, STRANGERS, code};
use super::network::{Place, ToDatabase, ToInstagram};
use super::population::{heir, owner};
use super::run::Plan;
use super::script::Extent;

/// As in the settings' defaults.
pub const POLICY: RefreshPolicy = RefreshPolicy { min_age: Duration::from_hours(24), at: 0.5 };

/// A running process: the worker's own loop, and people who come by.
pub type Process = Pin<Box<dyn Future<Output = ()>>>;

pub fn vault(entropy: &SharedEntropy) -> Vault {
    let bytes: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(83).wrapping_add(41)).collect();
    let key = base64::engine::general_purpose::STANDARD.encode(bytes);
    Vault::new(KeyRing::parse(&format!("one:{key}")).expect("a key ring"), entropy.clone())
}

/// Connections over a clock, a chance and a network.
pub fn connections(
    place: &Arc<Place>,
    store: &Store,
    clock: &SharedClock,
    entropy: &SharedEntropy,
    journal: Journal,
) -> Connections {
    let address = |text: &str| text.parse().expect("an address");
    let config = InstagramConfig {
        app_id: "1".to_owned(),
        app_secret: SecretString::from("secret"),
        callback_secrets: Vec::new(),
        scopes: vec!["instagram_business_basic".to_owned(), INSIGHTS.to_owned()],
        authorize_url: address("https://www.instagram.com/oauth/authorize"),
        api_url: address("https://api.instagram.com"),
        graph_url: address("https://graph.instagram.com"),
        graph_version: "v25.0".to_owned(),
        redirect_uri: address("https://api.example/instagram/callback"),
    };
    let transport = Arc::new(ToInstagram(place.clone()));
    Connections::new(Parts {
        store: store.clone(),
        vault: vault(entropy),
        provider: Some(Arc::new(Instagram::new(config, transport, clock.clone()))),
        clock: clock.clone(),
        entropy: entropy.clone(),
        return_urls: [ReturnUrl::parse("https://app.example").expect("an address")].into_iter().collect(),
        check_interval: Duration::from_mins(1),
        refresh: POLICY,
        journal,
    })
}

/// Starts a process at `place`. It knows nothing of its predecessor but what is stored.
pub fn start(place: &Arc<Place>, database: &Store, journal: &Path, plan: &Plan, life: u64) -> Process {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(life.wrapping_mul(1000) + place.replica as u64));
    let clock: SharedClock = Arc::new(ReplicaClock {
        baton: place.baton.clone(),
        replica: place.replica,
        error: place.error.clone(),
    });
    let store = database.over(Arc::new(ToDatabase(place.clone())), clock.clone());
    let journal = if plan.has_journal {
        Journal::in_directory(journal.join(place.replica.to_string()))
    } else {
        Journal::none()
    };
    let connections = connections(place, &store, &clock, &entropy, journal);
    let name = format!("replica-{}-{life}", place.replica);
    let worker = Worker::new(connections.clone(), store.clone(), clock, name).with_pace(plan.pace);
    let visits = visits(place.clone(), store, connections, plan.extent, Dice::new(life, 8));
    let visits = Visiting { visits: Box::pin(visits), visited: place.visited.clone() };
    // The baton's holder keeps it until the next seam: tokio shall not make room for others
    // meanwhile.
    Box::pin(tokio::task::unconstrained(async move {
        tokio::join!(worker.run(CancellationToken::new()), visits);
    }))
}

/// How many visits there are in a year, all together: as many for each connection.
const VISITS_PER_CONNECTION: i64 = 2;
/// The accounts that the app's backend likes best.
const FAVOURITES: i64 = 5;

/// People who want to know, the app's backend, and people who connect: now and then, each time
/// another one. The database may be away, or Instagram: then they are told so.
async fn visits(place: Arc<Place>, store: Store, connections: Connections, extent: Extent, mut dice: Dice) {
    let people = i64::try_from(extent.connections).expect("a number of people");
    let replicas = i64::try_from(extent.replicas).expect("a number of replicas");
    let gap = 365 * DAY * replicas / (people * VISITS_PER_CONNECTION);
    let strangers = i64::try_from(STRANGERS).expect("a number of people");
    for visit in 0.. {
        place.pass(dice.between(gap / 10, gap * 19 / 10)).await;
        let number = dice.between(0, people - 1);
        match dice.below(8) {
            0 | 1 => {
                if let Ok(Some(connection)) =
                    store.connection(&owner(index(number)), ProviderId::INSTAGRAM).await
                {
                    drop(connections.probe(&connection).await);
                }
            }
            2..=5 => {
                let number = if dice.once_in(2) { number % FAVOURITES } else { number };
                let call = PassThrough {
                    method: http::Method::GET,
                    path: "me/insights".to_owned(),
                    query: Vec::new(),
                    body: None,
                };
                drop(connections.pass_through(&owner(index(number)), call).await);
            }
            6 => connect(&place, &connections, index(people + dice.between(0, strangers - 1)), visit).await,
            _ => connect(&place, &connections, index(number), visit).await,
        }
    }
}

fn index(number: i64) -> usize {
    usize::try_from(number).expect("a person")
}

/// Another user goes through the dance for that account: it is theirs where its holder has left,
/// and else the holder's still.
async fn connect(place: &Place, connections: &Connections, number: usize, visit: u64) {
    let newcomer = heir(number);
    let Ok(begun) = connections.connect(&newcomer, ConnectRequest::default()).await else { return };
    let parameter = |url: &url::Url, name: &str| {
        url.query_pairs()
            .find(|(each, _)| each == name)
            .map(|(_, value)| SecretString::from(value.into_owned()))
    };
    let query = CallbackQuery {
        code: Some(SecretString::from(code(number, visit))),
        state: parameter(&begun.authorize_url, "state"),
        error: None,
    };
    let Ok(CallbackOutcome::Redirect(back)) = connections.callback(query).await else { return };
    let Some(completion) = parameter(&back, "completion") else { return };
    if connections
        .complete(&newcomer, begun.attempt_id, &completion)
        .await
        .is_ok_and(|status| status.connected)
    {
        place.instagram.inherit(number, place.baton.now());
    }
}

/// Tells who runs: what people ask for is no matter of the worker's thrift.
struct Visiting {
    visits: Pin<Box<dyn Future<Output = ()> + Send>>,
    visited: Arc<AtomicBool>,
}

impl Future for Visiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.visited.store(true, Ordering::SeqCst);
        let polled = self.visits.as_mut().poll(context);
        self.visited.store(false, Ordering::SeqCst);
        polled
    }
}
