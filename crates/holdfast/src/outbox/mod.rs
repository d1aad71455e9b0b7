//! Events to the app, in the form of Standard Webhooks (<https://www.standardwebhooks.com/>).
//!
//! An event is stored together with its change, and sent from here at least once, by the replica
//! that claims it first. It carries the status as stored at the time of sending, so a newer event
//! replaces an undelivered one, and an app that was down for days gets one event per user. If two
//! deliveries cross on the way, the status with the greater `version` counts; that of an erased user
//! is greater than any.

mod batch;
mod event;
mod notices;
mod receiver;

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::batch::Sent;
use self::batch::{Batch, Outcome};
pub use self::event::Event;
use self::event::{InstagramEvent, InstagramEventData, STATUS};
pub use self::receiver::remedy_of_status;
use self::receiver::{DeliveryError, Receiver};
use crate::clock::{Backoff, SharedClock, after, still_ahead};
use crate::clock_watch::ClockWatch;
use crate::connections::Connections;
use crate::entropy::{SharedEntropy, random};
use crate::metric::{Labels, metrics};
use crate::standard_webhooks::SigningKey;
use crate::store::{Notice, PendingEvent, Store, StoreError, UNREADABLE_RESTS};
use crate::telemetry::traces::in_span;
use crate::transport::{Outgoing, SharedTransport};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Deliveries after which the log is told how they went, where they never cease.
const BATCH: usize = 32;
/// Deliveries in parallel. No more are claimed, so that nothing waits behind one that hangs, and an
/// app that asks for a pause gets no more than these.
const PARALLEL: usize = 8;
/// Pauses after failed deliveries; the longest also where the app asks for a longer one.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(5), factor: 4, longest: Duration::from_hours(1) };
/// An event that was not delivered for this long is given up.
const GIVE_UP_AFTER: Duration = Duration::from_hours(7 * 24);
/// An event that was tried so often is a day old at least, whatever the clock says.
const MANY_TRIES: u32 = 30;
/// The outbox is read at least this often, and this long after a database error.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The app's webhook endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// The app's address; may carry secrets, and is never logged.
    pub url: Url,
    /// The key that signs the events.
    pub key: SigningKey,
}

metrics! {
    /// The outbox's metrics; present only if `HOLDFAST_WEBHOOK_URL` is set.
    TABLE;
    DELIVERIES = Counter "webhook_deliveries",
        "Deliveries of events to the app by outcome: delivered, failed, given_up",
        "Alert on any `given_up`: that event will not be sent again. Alert when `failed` rises and `delivered` does not for 15 minutes.",
        by [("outcome", "`delivered`, `failed` (it is tried again) or `given_up`")];
    LAST_STATUS = Gauge "webhook_last_status",
        "HTTP status of the app's last answer to an event; 0 before the first event, and where no answer came",
        "Nothing to alert on: it tells why deliveries fail.";
}

/// Sends the events in the outbox.
#[derive(Debug)]
pub struct Dispatcher {
    endpoint: Endpoint,
    connections: Connections,
    store: Store,
    clock: SharedClock,
    entropy: SharedEntropy,
    transport: SharedTransport,
    watch: ClockWatch,
    deliveries: Family<Labels<1>, Counter>,
    last_status: Gauge,
    receiver: Receiver,
}

impl Dispatcher {
    /// A dispatcher for the outbox of `store`, which must have been opened to keep events.
    pub fn new(
        endpoint: Endpoint,
        connections: Connections,
        store: Store,
        clock: SharedClock,
        entropy: SharedEntropy,
        transport: SharedTransport,
        watch: ClockWatch,
    ) -> Self {
        Self {
            endpoint,
            connections,
            store,
            clock,
            entropy,
            transport,
            watch,
            deliveries: Family::default(),
            last_status: Gauge::default(),
            receiver: Receiver::default(),
        }
    }

    /// Registers the counters, each at zero: the rise of a series that begins above zero is none,
    /// so that the first event lost would raise no alert.
    pub fn register(&self, registry: &mut Registry) {
        for outcome in Outcome::ALL {
            drop(self.deliveries.get_or_create(&[("outcome", outcome.as_str())]));
        }
        DELIVERIES.register(registry, self.deliveries.clone());
        LAST_STATUS.register(registry, self.last_status.clone());
    }

    /// The counter of events that are given up.
    pub fn given_up(&self) -> Counter {
        self.deliveries.get_or_create(&[("outcome", Outcome::GivenUp.as_str())]).clone()
    }

    /// Sends until stopped. Then nothing more is begun, but deliveries on their way are finished.
    pub async fn run(&self, stop: CancellationToken) {
        let mut changes = self.store.changes();
        let (mut under_way, mut batch) = (UnderWay::new(), Batch::default());
        let mut next = self.clock.now();
        while !stop.is_cancelled() {
            if next <= self.clock.now() {
                next =
                    self.begin(&mut under_way, &mut batch).await.unwrap_or_else(|error| self.failed(&error));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(outcome) = under_way.next() => {
                    batch.count(outcome);
                    next = batch.failure.take().map_or_else(|| self.clock.now(), |error| self.failed(&error));
                }
                () = self.clock.sleep_until(next) => {}
                // An error means missed changes, which count too.
                _ = changes.recv() => next = self.clock.now(),
            }
            if under_way.is_empty() || batch.finished >= BATCH {
                self.report(&mut batch);
            }
        }
        while let Some(outcome) = under_way.next().await {
            batch.count(outcome);
        }
        self.report(&mut batch);
    }

    /// Sends what is due now; nothing more once the app asks to be left alone.
    pub async fn tick(&self) -> Result<Sent, StoreError> {
        let (mut under_way, mut batch) = (UnderWay::new(), Batch::default());
        while batch.failure.is_none() {
            self.begin(&mut under_way, &mut batch).await?;
            let Some(outcome) = under_way.next().await else { break };
            batch.count(outcome);
        }
        let Batch { sent, failure, .. } = self.report(&mut batch);
        failure.map_or(Ok(sent), Err)
    }

    /// Begins what is due, as far as there is room; returns when to look again.
    async fn begin<'a>(
        &'a self,
        under_way: &mut UnderWay<'a>,
        batch: &mut Batch,
    ) -> Result<Timestamp, StoreError> {
        loop {
            let now = self.clock.now();
            let latest = after(now, LOOK_EVERY);
            if let Some(until) = self.rests_until(now) {
                return Ok(until.min(latest));
            }
            let room = PARALLEL.saturating_sub(under_way.len());
            if room == 0 {
                return Ok(latest);
            }
            // What is under way may hold the connection that this waits for.
            let mut claiming = pin!(self.claim(room, now));
            let (claimed, next) = loop {
                tokio::select! {
                    biased;
                    claimed = &mut claiming => break claimed?,
                    Some(outcome) = under_way.next() => batch.count(outcome),
                }
            };
            if claimed.is_empty() {
                return Ok(next.map_or(latest, |next| next.min(latest)));
            }
            under_way.extend(claimed.into_iter().map(|each| self.send(each).boxed()));
        }
    }

    /// Claims what is due; where nothing is, tells when something will be.
    async fn claim(
        &self,
        room: usize,
        now: Timestamp,
    ) -> Result<(Vec<Pending>, Option<Timestamp>), StoreError> {
        // Read before claiming: a claim writes, and most changes do not concern the outbox.
        let both = [self.store.next_event_at().await?, self.store.next_notice_at().await?];
        let next = both.into_iter().flatten().min();
        if next.is_none_or(|due| due > now) {
            return Ok((Vec::new(), next));
        }
        let events = self.store.claim_events(now, room).await?;
        let mut claimed: Vec<_> = events.into_iter().map(Pending::Event).collect();
        if claimed.len() < room {
            let notices = self.store.claim_notices(now, room - claimed.len()).await;
            let notices = notices.or_else(|error| {
                // The claimed events are sent all the same.
                if claimed.is_empty() {
                    Err(error)
                } else {
                    self.failed(&error);
                    Ok(Vec::new())
                }
            })?;
            claimed.extend(notices.into_iter().map(Pending::Notice));
        }
        // Where nothing could be claimed, another replica has it.
        Ok((claimed, None))
    }

    /// Returns when to look again after the database has failed.
    fn failed(&self, error: &StoreError) -> Timestamp {
        tracing::warn!(%error, "the database failed: events to the app wait");
        after(self.clock.now(), LOOK_EVERY)
    }

    /// Tells the log of a batch, and begins the next.
    fn report(&self, batch: &mut Batch) -> Batch {
        let batch = std::mem::take(batch);
        self.receiver.report(self.clock.now());
        if batch.sent.given_up > 0 {
            tracing::error!(
                events = batch.sent.given_up,
                "events could not be delivered to the app for 7 days and are given up"
            );
        }
        batch
    }

    async fn send(&self, pending: Pending) -> Result<Outcome, StoreError> {
        let delivered = match &pending {
            Pending::Event(event) => in_span("event delivery", self.deliver(event)).await,
            Pending::Notice(notice) => in_span("notice delivery", self.tell(notice)).await,
        };
        let now = self.clock.now();
        let (id, occurred_at, tries) = match &pending {
            Pending::Event(event) => (event.id.as_str(), event.occurred_at, event.tries),
            Pending::Notice(notice) => (notice.subject.as_str(), notice.occurred_at, notice.tries),
        };
        let is_over = now >= after(occurred_at, GIVE_UP_AFTER) && self.trusts_clock(now, tries);
        let (outcome, next) = match delivered {
            Err(error) if error.is_of_one_row() && is_over => {
                tracing::debug!(event = id, %error, tries, "an event is given up");
                (Outcome::GivenUp, None)
            }
            Err(error) if error.is_of_one_row() => {
                if self.store.is_news("event", id) {
                    tracing::error!(event = id, %error, "an event waits for the row that it is about");
                }
                (Outcome::Failed, Some(after(now, UNREADABLE_RESTS)))
            }
            Err(error) => return Err(error),
            Ok(Ok(())) => (Outcome::Delivered, None),
            Ok(Err(error)) if is_over => {
                tracing::debug!(event = id, %error, tries, "an event is given up");
                (Outcome::GivenUp, None)
            }
            Ok(Err(error)) => {
                let pause = self.pause(tries);
                tracing::debug!(
                    event = id, %error, tries, retry_in_s = pause.as_secs(),
                    "an event could not be delivered to the app"
                );
                (Outcome::Failed, Some(after(now, pause)))
            }
        };
        match (&pending, next) {
            (Pending::Event(event), None) => self.store.remove_event(event).await?,
            (Pending::Event(event), Some(at)) => self.store.reschedule_event(event, at).await?,
            (Pending::Notice(notice), None) => self.store.settle_notice(notice).await?,
            (Pending::Notice(notice), Some(at)) => self.store.reschedule_notice(notice, at).await?,
        }
        self.deliveries.get_or_create(&[("outcome", outcome.as_str())]).inc();
        Ok(outcome)
    }

    /// Whether that much time has really passed; after a leap of the clock, by the number of tries.
    fn trusts_clock(&self, now: Timestamp, tries: u32) -> bool {
        self.watch.is_ahead(now).map_or(tries >= MANY_TRIES, |is_ahead| !is_ahead)
    }

    async fn deliver(&self, event: &PendingEvent) -> Result<Result<(), DeliveryError>, StoreError> {
        let status = Box::new(self.connections.status_for(event).await?);
        let data = InstagramEventData { user_id: event.user_id(), status };
        let message = InstagramEvent { kind: STATUS, timestamp: event.occurred_at, data };
        Ok(self.post(&event.id, &Event::Instagram(message)).await)
    }

    async fn post(&self, id: &str, message: &Event<'_>) -> Result<(), DeliveryError> {
        let delivery = self.send_signed(id, message).await;
        self.receiver.note(delivery);
        delivery
    }

    async fn send_signed(&self, id: &str, message: &Event<'_>) -> Result<(), DeliveryError> {
        let answer = self.transport.send(self.request(id, message)?).await;
        self.last_status.set(answer.as_ref().map_or(0, |answer| answer.status.as_u16().into()));
        let answer = answer?;
        if answer.status.is_success() {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(wait) = answer.retry_after(now) {
            self.receiver.rest(after(now, wait.min(BACKOFF.longest)));
        }
        Err(DeliveryError::Refused(answer.status))
    }

    /// Until when the app asked to be left alone, if it did.
    fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        still_ahead(self.receiver.rests_until()?, BACKOFF.longest, now)
    }

    fn request(&self, id: &str, message: &Event<'_>) -> Result<Outgoing, DeliveryError> {
        let body = serde_json::to_vec(message).map_err(|_| DeliveryError::Unwritable)?;
        let timestamp = self.clock.now().as_second().to_string();
        let signature = self.endpoint.key.sign(id, &timestamp, &body);
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| DeliveryError::Unwritable);
        let mut request = Outgoing::new(Method::POST, self.endpoint.url.clone()).named("{webhook_url}");
        // The app is the operator's own: their collector shows both halves of the trace.
        request.continues_trace = true;
        request.headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static(concat!("holdfast/", env!("CARGO_PKG_VERSION")))),
            (ID, value(id)?),
            (TIMESTAMP, value(&timestamp)?),
            (SIGNATURE, value(&signature)?),
        ]);
        request.body = body.into();
        // The status is the answer.
        request.max_answer = 0;
        Ok(request)
    }

    /// The pause after `tries` tries, plus up to a quarter at random, so that a returning app does
    /// not get all events at once.
    fn pause(&self, tries: u32) -> Duration {
        let pause = BACKOFF.pause(tries.saturating_sub(1));
        let jitter = random::<1>(&*self.entropy).map_or(0, |[byte]| u32::from(byte));
        pause + pause / 4 * jitter / 255
    }
}

type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, Result<Outcome, StoreError>>>;

/// A claimed row of the outbox or of the notices.
enum Pending {
    Event(PendingEvent),
    Notice(Notice),
}
