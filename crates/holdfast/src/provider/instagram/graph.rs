//! The Graph API: whose grant is it, and the app's own calls with the grant injected.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use super::failure::{Answered, unanswered};
use super::meaning::Context;
use super::wire::{self, Body};
use super::{Instagram, credential, endpoint, usage};
use crate::provider::{Account, DeathCause, Failure, Grant, Meaning, PassThrough, PassedThrough, Reply};
use crate::transport::{Outgoing, TransportError};

/// What we want to know of an account. One source reports that `user_id` makes `/me` fail for some accounts;
/// no other does, so there is no second attempt with fewer fields: a call here is one exchange.
const FIELDS: &str = "id,user_id,username,name,account_type,profile_picture_url";

/// A page of an app's own data may be larger than a token answer. In bytes.
const MAX_PASSED_THROUGH: usize = 2 * 1024 * 1024;

impl Instagram {
    pub(super) async fn whose(&self, grant: &Grant) -> Reply<Account> {
        let token = grant.access_token.expose_secret();
        let mut url = endpoint(&self.config.graph_url, [self.config.graph_version.as_str(), "me"]);
        url.query_pairs_mut().append_pair("fields", FIELDS).append_pair("access_token", token);
        let request = Outgoing::new(Method::GET, url).named("/{version}/me");
        self.ask_and_judge(
            Context::Identify,
            request,
            &[token],
            |object, _| wire::account(object),
            |account| match account.account_type.as_deref() {
                Some("personal") => Err((
                    Meaning::Dead(DeathCause::AccountIneligible),
                    "The Instagram account is a personal one; only professional accounts can be connected.",
                )),
                Some(_) | None => Ok(account),
            },
        )
        .await
    }

    pub(super) async fn pass(&self, grant: &Grant, call: PassThrough) -> Result<PassedThrough, Failure> {
        let token = grant.access_token.expose_secret();
        let of_body = |(kind, body): &(String, Bytes)| credential::body(kind, body);
        let judged = credential::path(&call.path)
            .and_then(|()| credential::query(&call.query))
            .and_then(|()| call.body.as_ref().map_or(Ok(()), of_body));
        if let Err(why) = judged {
            return Err(Failure {
                meaning: Meaning::Content,
                retry_after: None,
                http_status: None,
                code: None,
                subcode: None,
                detail: why.to_string(),
            });
        }
        let root = endpoint(&self.config.graph_url, [self.config.graph_version.as_str()]);
        let mut url = endpoint(&root, call.path.split('/').filter(|segment| !segment.is_empty()));
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in &call.query {
                query.append_pair(name, value);
            }
            query.append_pair("access_token", token);
        }
        let mut request = Outgoing::new(call.method, url).named("/{version}/{path}");
        request.max_answer = MAX_PASSED_THROUGH;
        if let Some((content_type, body)) = call.body {
            if let Ok(value) = HeaderValue::from_str(&content_type) {
                request.headers.insert(header::CONTENT_TYPE, value);
            }
            request.body = body;
        } else if request.method == Method::POST {
            request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        let answer = match self.transport.send(request).await {
            Ok(answer) => answer,
            Err(TransportError::TooLarge) => return Ok(PassedThrough::too_large()),
            Err(error) => return Err(unanswered(Context::Use, error)),
        };
        let usage = usage::read(&answer.headers);
        let status = answer.status.as_u16();
        let answered = Answered { context: Context::Use, status, headers: &answer.headers, usage };
        let mut body = serde_json::from_slice::<Value>(&answer.body).ok();
        let failure = match &body {
            Some(Value::Object(object)) => match Body::of_object(object.clone()) {
                Body::Error(error) => Some(answered.refused(&error, &[token])),
                Body::Object(_) if answer.status.is_success() => None,
                Body::Object(_) | Body::Unreadable => Some(answered.unreadable(answer.body.len())),
            },
            // Some writes answer with a bare `true`.
            Some(_) if answer.status.is_success() => None,
            Some(_) | None => Some(answered.unreadable(answer.body.len())),
        };
        if let Some(body) = &mut body {
            redact(body, token);
        }
        Ok(PassedThrough { status, body, failure, usage, is_too_large: false })
    }
}

/// Takes the grant out of an answer: the addresses of further pages repeat it.
fn redact(value: &mut Value, token: &str) {
    match value {
        Value::String(text) => {
            if text.contains("access_token=") {
                *text = without_token(text);
            }
            if text.contains(token) {
                *text = text.replace(token, "[redacted]");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, token)),
        Value::Object(members) => {
            // A name may hold it as well; renaming keeps the order of the others.
            if members.keys().any(|name| name.contains(token)) {
                let named = std::mem::take(members).into_iter();
                members.extend(named.map(|(name, member)| (name.replace(token, "[redacted]"), member)));
            }
            members.values_mut().for_each(|member| redact(member, token));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The address without its `access_token`; other text as it is.
fn without_token(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| name != "access_token").collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_page_address_carries_the_grant() {
        let mut body = json!({
            "data": [{"id": "1", "caption": "about IGAAtoken itself"}],
            "paging": {"next": "https://graph.instagram.com/v25.0/1/media?access_token=IGAAtoken&limit=25&after=Q"},
            "other": "https://graph.instagram.com/?access_token=IGAAtoken",
            "by_token": {"IGAAtoken": {"xIGAAtoken": 1}, "a": 2}
        });
        redact(&mut body, "IGAAtoken");
        assert_eq!(
            body,
            json!({
                "data": [{"id": "1", "caption": "about [redacted] itself"}],
                "paging": {"next": "https://graph.instagram.com/v25.0/1/media?limit=25&after=Q"},
                "other": "https://graph.instagram.com/",
                "by_token": {"[redacted]": {"x[redacted]": 1}, "a": 2}
            })
        );
    }
}
