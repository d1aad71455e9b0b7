//! What waits: refreshes, and events for the app.

use std::time::Duration;

use super::super::context::Context;
use super::answered::{Unanswered, answered, refused};
use super::code;
use super::report::Report;
use crate::clock::{after, before};
use crate::counted::counted;
use crate::overview::LAST_DAYS;
use crate::provider::ProviderId;
use crate::settings::Settings;
use crate::store::{LateEvents, Store, StoreError};

/// A refresh that was due longer ago is overdue.
const REFRESH_TAKES: Duration = Duration::from_hours(1);
/// An event that has waited longer is late.
const EVENT_TAKES: Duration = Duration::from_mins(15);

/// The events that the app has not taken.
pub(super) async fn check_events(
    context: &Context,
    store: &Store,
    report: &mut Report,
) -> Result<(), Unanswered> {
    let late = before(context.clock.now(), EVENT_TAKES);
    match answered(store.late_events(late).await)? {
        Ok(LateEvents { oldest: None, .. }) => {}
        Ok(LateEvents { amount, is_tried: true, oldest: Some(oldest) }) => {
            let events = counted(amount, "event", "events");
            let what =
                format!("the app has not taken {events}, the oldest of {oldest}; each is tried for 7 days");
            report.add(code::WEBHOOK.failed(what));
        }
        Ok(LateEvents { amount, is_tried: false, oldest: Some(oldest) }) => {
            let what = format!("nobody sends the events that wait: {amount}, the oldest of {oldest}");
            let remedy = "run a replica with HOLDFAST_WORKER=on and HOLDFAST_WEBHOOK_URL";
            report.add(code::WEBHOOK.failed(what).mended_by(remedy));
        }
        Err(error) => report.add(refused(code::WEBHOOK, &error)),
    }
    Ok(())
}

/// The refreshes that are due, and an incident that keeps them waiting.
pub(super) async fn check_refreshes(
    context: &Context,
    settings: &Settings,
    store: &Store,
    report: &mut Report,
) -> Result<(), Unanswered> {
    let elsewhere = if settings.worker {
        ""
    } else {
        "; HOLDFAST_WORKER is off here: another server must refresh grants and delete old rows"
    };
    let now = context.clock.now();
    match answered(store.incident_since(ProviderId::INSTAGRAM).await)? {
        Ok(None) => report.add(code::INCIDENT.passed("none")),
        Ok(Some(at)) => report.add(code::INCIDENT.failed(format!("since {at}"))),
        Err(error) => report.add(refused(code::INCIDENT, &error)),
    }
    let late = before(now, REFRESH_TAKES);
    let read = async {
        let failing = store.expiring_unrenewed(after(now, LAST_DAYS)).await?;
        Ok::<_, StoreError>((store.overdue(late).await?, failing, store.soonest_expiry().await?))
    };
    match answered(read.await)? {
        Ok((overdue, failing, soonest)) => report.add(if overdue > 0 {
            code::BACKLOG.warning(counted(overdue, "refresh is overdue", "refreshes are overdue"))
        } else if failing > 0 {
            let grants = counted(failing, "grant expires", "grants expire");
            code::BACKLOG.warning(format!("{grants} within three days, and could not be refreshed"))
        } else {
            let what = if soonest.is_none() { "no grant is in use" } else { "nothing is overdue" };
            code::BACKLOG.passed(format!("{what}{elsewhere}"))
        }),
        Err(error) => report.add(refused(code::BACKLOG, &error)),
    }
    Ok(())
}
