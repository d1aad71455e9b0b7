//! Beginning a connect attempt, and completing it.

use axum::Json as JsonAnswer;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::prelude::*;
use crate::clock::SharedClock;
use crate::connection::Reason;
use crate::connection::attempt::Expect;
use crate::connection::status::InstagramStatus;
use crate::connections::connect::ConnectRequest;
use crate::http::authentication::NotImpersonated;
use crate::http::body::{FromMembers, Members};
use crate::http::failure;
use crate::http::params::Path;

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .post("/user/instagram/connect", connect, |op| {
            op.about("connectInstagram", tags::INSTAGRAM, "Start to connect an account")
                .description(
                    "Send the browser to `authorize_url`. It comes back to `return_to` with `attempt` and \
                     `completion`, which `complete` takes. A grant in use stays in use until the new one is proven.",
                )
                .response_with::<201, JsonAnswer<Started>, _>(|answer| answer.description("The attempt has started."))
                .problems(failure::CHANGING)
                .problems([
                    RequestCode::ReturnToNotAllowed,
                    RequestCode::ReturnToMissing,
                    RequestCode::TooManyAttempts,
                    RequestCode::UserErased,
                ])
                .problems([Reason::NotConfigured])
        })
        .post("/user/instagram/connect/{attempt_id}/complete", complete, |op| {
            op.about("completeInstagram", tags::INSTAGRAM, "Complete a connect attempt")
                .description(
                    "The caller must be the user who started the attempt, and `completion` the value from the redirect. A \
                     completed attempt answers its user with the same outcome again.",
                )
                // Any reason that Instagram can give.
                .problems(Reason::ALL.iter().copied())
                .problems(failure::CHANGING)
                .problems([
                    RequestCode::AttemptNotYours,
                    RequestCode::CompletionInvalid,
                    RequestCode::AttemptNotFound,
                    RequestCode::AccountBelongsToAnotherUser,
                    RequestCode::DifferentAccount,
                    RequestCode::AttemptNotReturned,
                    RequestCode::AttemptInProgress,
                    RequestCode::AttemptExpired,
                    RequestCode::UserErased,
                ])
        })
        .done()
}

/// How to connect. May be left out altogether.
#[derive(Debug, Default, JsonSchema)]
struct ConnectBody {
    /// Where the browser shall return to; must be on the allow-list. Its own query and fragment
    /// come back as they are, with ours at the end of the query. Default: the first plain address
    /// on the list.
    return_to: Option<String>,
    /// Whether Instagram shall ask for the password even of somebody who is signed in there.
    /// Default: no.
    force_reauth: Option<bool>,
    /// Whether another account than the linked one may come back. Default: `same_account`.
    expect: Option<Expect>,
}

impl FromMembers for ConnectBody {
    fn from_members(members: &mut Members) -> Result<Self, Problem> {
        Ok(Self {
            return_to: members.text("return_to")?,
            force_reauth: members.flag("force_reauth")?,
            expect: members.choice("expect", Expect::ALL, Expect::as_str)?,
        })
    }
}

/// An attempt has begun.
#[derive(Debug, Serialize, JsonSchema)]
struct Started {
    /// Where to send the browser.
    authorize_url: String,
    /// The attempt.
    #[schemars(with = "String")]
    attempt_id: Uuid,
    /// When it ends by itself, RFC 3339.
    #[schemars(with = "String")]
    expires_at: Timestamp,
}

async fn connect(
    NotImpersonated(caller): NotImpersonated,
    State(connections): State<Connections>,
    State(clock): State<SharedClock>,
    OptionalJson(body): OptionalJson<ConnectBody>,
) -> Result<(StatusCode, JsonAnswer<Started>), Problem> {
    let request = ConnectRequest {
        return_to: body.return_to,
        force_reauth: body.force_reauth.unwrap_or_default(),
        expect: body.expect.unwrap_or_default(),
    };
    let started = connections
        .connect(caller.owner(), request)
        .await
        .map_err(|error| failure::connect(error, &*clock))?;
    let started = Started {
        authorize_url: started.authorize_url.into(),
        attempt_id: started.attempt_id,
        expires_at: started.expires_at,
    };
    Ok((StatusCode::CREATED, JsonAnswer(started)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AttemptPath {
    /// From `connect`, and from the redirect.
    attempt_id: String,
}

/// The other half of the proof.
#[derive(JsonSchema)]
struct CompleteBody {
    /// The one-time secret that the redirect carried.
    #[schemars(with = "String")]
    completion: SecretString,
}

impl FromMembers for CompleteBody {
    fn from_members(members: &mut Members) -> Result<Self, Problem> {
        Ok(Self { completion: members.required_text("completion")?.into() })
    }
}

async fn complete(
    NotImpersonated(caller): NotImpersonated,
    State(connections): State<Connections>,
    State(detached): State<Detached>,
    Path(path): Path<AttemptPath>,
    Json(body): Json<CompleteBody>,
) -> Result<JsonAnswer<InstagramStatus>, Problem> {
    let attempt =
        Uuid::try_parse(&path.attempt_id).map_err(|_| Problem::new(RequestCode::AttemptNotFound))?;
    let owner = caller.owner().clone();
    let completed =
        detached.run(async move { connections.complete(&owner, attempt, &body.completion).await }).await?;
    completed.map(JsonAnswer).map_err(failure::complete)
}
