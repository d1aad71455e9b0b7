//! Meta's callbacks: a person removed the app, or wants their data deleted.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::http::body::{RawBody, media_type};
use crate::http::failure;
use crate::http::pages::{Markup, Page, markup};
use crate::http::params::Path;
use crate::provider::instagram::signed_request::{self, SignedRequest, SignedRequestError};
use crate::store::DataDeletion;

const FORM: &str = "application/x-www-form-urlencoded";

/// What both callbacks can lead to, besides what a change can.
const PROBLEMS: [ProblemCode; 4] = [
    ProblemCode::Request(RequestCode::SignatureInvalid),
    ProblemCode::Request(RequestCode::MalformedBody),
    ProblemCode::Request(RequestCode::UnsupportedMediaType),
    ProblemCode::Server(ServerCode::NotSetUp),
];

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .public()
        .public_post(PublicRoute::InstagramDeauthorize, deauthorize, |op| {
            op.about("instagramDeauthorize", tags::CALLBACKS, "Meta says that a person removed the app")
                .description(
                    "A form with `signed_request`. The connection becomes `reconnect_required`, `deauthorized`, \
                     unless the person has connected again since.",
                )
                .response_with::<200, Json<Received>, _>(|answer| answer.description("Stored."))
                .problems(failure::CHANGING)
                .problems(PROBLEMS)
        })
        .public_post(PublicRoute::InstagramDataDeletion, data_deletion, |op| {
            op.about("instagramDataDeletion", tags::CALLBACKS, "Meta says that a person wants their data deleted")
                .description("A form with `signed_request`. What was linked before it was issued is erased when this answers; the \
                     same request again has the first receipt. A link of the same minutes waits until Instagram has said \
                     whether it works, a week at most; the page at `url` says so.")
                .problems(failure::CHANGING)
                .problems(PROBLEMS)
        })
        .public_get(PublicRoute::DataDeletionPage, deletion_page, |op| {
            op.about("dataDeletion", tags::CALLBACKS, "The outcome of a deletion request")
                .response_with::<200, Page, _>(|answer| answer.description("A page."))
                .response_with::<404, Page, _>(|answer| answer.description("No such request: a page."))
                .problems(failure::READING)
        })
        .done()
}

/// Received and stored.
#[derive(Debug, Serialize, JsonSchema)]
struct Received {
    /// Always true.
    received: bool,
}

async fn deauthorize(
    State(state): State<AppState>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Received>, Problem> {
    let request = verified(&state, &headers, &body)?;
    let connections = state.connections.clone();
    let work = async move { connections.deauthorized(&request.user_id, request.issued_at).await };
    let concerned = state.detached().run(work).await??;
    tracing::info!(concerned, "Meta reports that a person removed the app");
    Ok(Json(Received { received: true }))
}

/// What Meta shows the person
/// (<https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>).
#[derive(Debug, Serialize, JsonSchema)]
struct DeletionReceipt {
    /// Where the person can see what became of it.
    url: String,
    /// The code in that address.
    confirmation_code: String,
}

async fn data_deletion(
    State(state): State<AppState>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<DeletionReceipt>, Problem> {
    let request = verified(&state, &headers, &body)?;
    let connections = state.connections.clone();
    let work = async move {
        let done = connections.delete_account_data(&request.user_id, request.issued_at, request.code).await;
        done.inspect_err(|error| {
            let code = format!("{:032x}", request.code);
            tracing::error!(code, %error, "a data deletion is not done");
        })
    };
    let deletion = state.detached().run(work).await??;
    let DataDeletion { code, erased, .. } = &deletion;
    // What one waits for is logged where that is found.
    if deletion.completed_at.is_some() {
        tracing::info!(code, erased, "a person's data was deleted at Meta's request");
    }
    let url = format!("{}/data-deletion/{}", state.edge.public_url, deletion.code);
    Ok(Json(DeletionReceipt { url, confirmation_code: deletion.code }))
}

fn verified(state: &AppState, headers: &HeaderMap, body: &[u8]) -> Result<SignedRequest, Problem> {
    if state.meta_secrets.is_empty() {
        return Err(ServerCode::NotSetUp.into());
    }
    if media_type(headers).as_deref() != Some(FORM) {
        return Err(RequestCode::UnsupportedMediaType.into());
    }
    let mut sent = url::form_urlencoded::parse(body).filter(|(name, _)| name == "signed_request");
    let (Some((_, raw)), None) = (sent.next(), sent.next()) else {
        return Err(Problem::new(RequestCode::MalformedBody)
            .with_detail("The form must have signed_request exactly once."));
    };
    signed_request::verify(&state.meta_secrets, &raw).map_err(|error| {
        if let Some(suppressed) = state.refusals().admit("meta", state.edge.clock.now()) {
            tracing::warn!(%error, suppressed, "a call that claims to come from Meta was refused");
        }
        let code = match error {
            SignedRequestError::WrongSignature | SignedRequestError::WrongAlgorithm => {
                RequestCode::SignatureInvalid
            }
            SignedRequestError::Malformed | SignedRequestError::NoUser => RequestCode::MalformedBody,
        };
        Problem::new(code).with_detail(format!("Not accepted: {error}."))
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeletionPath {
    /// The confirmation code.
    code: String,
}

async fn deletion_page(
    State(state): State<AppState>,
    Path(path): Path<DeletionPath>,
) -> Result<Page, Problem> {
    // Only what can be a code is looked up.
    if path.code.is_empty() || !path.code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(no_such_request());
    }
    Ok(match state.store.deletion(&path.code).await? {
        Some(deletion) => page_of(&deletion),
        None => no_such_request(),
    })
}

fn page_of(deletion: &DataDeletion) -> Page {
    let requested = time(deletion.requested_at);
    let mut body = if let Some(at) = deletion.completed_at {
        markup!(
            "<h1>Your data is deleted</h1><p class=\"lead\">What this app held of your Instagram account when you asked, \
             the access to it included, is gone. What you have connected since then is not touched: disconnect it in the \
             app.</p><ul class=\"facts\"><li>Requested {}</li><li>Deleted {}</li></ul>",
            requested,
            time(at),
        )
    } else {
        markup!(
            "<h1>Your data is being deleted</h1><p class=\"lead\">The request has arrived and is being worked on.</p>\
             <ul class=\"facts\"><li>Requested {}</li></ul>",
            requested,
        )
    };
    markup!(body, r#"<p class="soft">Confirmation code <code>{}</code></p>"#, deletion.code);
    Page::for_people("Data deletion", &body)
}

/// A time as people write it, to the minute.
fn time(at: Timestamp) -> Markup {
    markup!(r#"<time datetime="{}">{}</time>"#, at, at.strftime("%-d %B %Y, %H:%M UTC"))
}

fn no_such_request() -> Page {
    const WHAT: &str = "There is no deletion request with this code here.";
    let body = markup!(
        "<h1>No such request</h1><p class=\"lead\">{}</p><div class=\"card remedy\"><h2>What to do</h2><p>Compare the \
         address with the one that Instagram showed you. If it is the same, ask the app's support.</p></div>",
        WHAT,
    );
    Page::for_people("Data deletion", &body).of_problem(RequestCode::NotFound, WHAT)
}
