//! Instagram's redirect back to us.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};

use super::prelude::*;
use crate::connections::callback::{CallbackOutcome, CallbackPage, CallbackQuery};
use crate::http::failure;
use crate::http::pages::Page;

/// Adds the route.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .public()
        .public_get(PublicRoute::InstagramCallback, callback, |op| {
            op.about("instagramCallback", tags::CALLBACKS, "Instagram's redirect")
                .description(
                    "Sends the browser on to the attempt's `return_to`, with `instagram=complete` and the \
                     `completion`, or with `instagram=denied`, `failed` or `expired` and a `reason`. Without a \
                     usable attempt it is a page that says what happened.",
                )
                .response_with::<303, (), _>(|answer| answer.description("On to `return_to`."))
                .sends(303, &[openapi_headers::LOCATION])
                .response_with::<400, Page, _>(|answer| {
                    answer.description("`callback-without-attempt`, as a page.")
                })
                .problems(failure::CHANGING)
        })
        .done()
}

async fn callback(
    State(connections): State<Connections>,
    State(detached): State<Detached>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(query) = CallbackQuery::parse(query.as_deref().unwrap_or_default()) else {
        return page(CallbackPage::Ambiguous).into_response();
    };
    match detached.run(async move { connections.callback(query).await }).await {
        Ok(Ok(CallbackOutcome::Redirect(to))) => see_other(to.as_str()),
        Ok(Ok(CallbackOutcome::Page(what))) => page(what).into_response(),
        Ok(Err(error)) => Problem::from(error).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// 303, never cached and never passed on as a referrer: the address carries the completion.
fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => Problem::new(ServerCode::Internal)
            .with_cause("the address to return to is no header")
            .into_response(),
    }
}

/// The page repeats nothing of the query.
fn page(what: CallbackPage) -> Page {
    const BEGIN_ANEW: &str = "Go back to the app and connect Instagram again.";
    let (title, text, remedy) = match what {
        CallbackPage::StateMissing => (
            "This address is for Instagram",
            "Instagram sends browsers here after somebody has connected an account. It was opened without the \
             data that Instagram adds.",
            BEGIN_ANEW,
        ),
        CallbackPage::Declined => (
            "The access was declined",
            "Instagram says that the access was declined, but not in which attempt. Nothing was connected.",
            "Go back to the app. To connect after all, connect Instagram again.",
        ),
        CallbackPage::Failed => (
            "Instagram reported an error",
            "Instagram sent the browser back with an error, but without saying in which attempt. Nothing was connected.",
            BEGIN_ANEW,
        ),
        CallbackPage::StateUnknown => (
            "This attempt is over",
            "Connecting took too long, or was started somewhere else. Nothing was connected.",
            BEGIN_ANEW,
        ),
        CallbackPage::AlreadyConnected => (
            "This attempt is over",
            "The account was connected when this page was opened first. Opening it again changes nothing.",
            "Go back to the app: it shows which account is connected now.",
        ),
        CallbackPage::UnderWay => (
            "This attempt is under way",
            "The access was granted before, and the app is connecting the account with that. Granting it again changes \
             nothing.",
            "Go back to the app: it shows whether the account is connected.",
        ),
        CallbackPage::NotCompleted => (
            "This attempt has an answer",
            "The access was granted before, but the app has not connected the account with that. Granting it again changes \
             nothing.",
            "Go back to the app. If it does not show the account as connected, connect Instagram again.",
        ),
        CallbackPage::Ambiguous => (
            "Instagram's answer was not complete",
            "Instagram sent the browser back without saying whether the access was granted. Nothing was connected.",
            BEGIN_ANEW,
        ),
    };
    Page::telling(title, text, remedy).of_problem(RequestCode::CallbackWithoutAttempt, text)
}
