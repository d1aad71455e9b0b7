//! The Graph API: `/me`, and the app's own calls with the grant injected.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::failure::{Answered, unanswered};
use super::meaning::Context;
use super::wire::{self, Body};
use super::{Instagram, credential, endpoint, usage};
use crate::provider::{Account, DeathCause, Failure, Grant, Meaning, PassThrough, PassedThrough, Reply};
use crate::transport::{Outgoing, TransportError};

/// The fields of `/me` that we read. Only one source reports that `user_id` makes it fail for some
/// accounts, so there is no second attempt with fewer fields: a call here is one exchange.
const FIELDS: &str = "id,user_id,username,name,account_type,profile_picture_url";

/// Longest answer that is passed on, in bytes. A page of the app's data may exceed a token answer.
const MAX_PASSED_THROUGH: usize = 2 * 1024 * 1024;

impl Instagram {
    pub(super) async fn me(&self, grant: &Grant) -> Reply<Account> {
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
        let content_type = looked_through(&call)?;
        let root = endpoint(&self.config.graph_url, [self.config.graph_version.as_str()]);
        let mut url = endpoint(&root, call.path.split('/').filter(|segment| !segment.is_empty()));
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in &call.query {
                query.append_pair(name, value);
            }
            query.append_pair("access_token", token);
        }
        let needs_scope = scope_of(&call.method, &call.path);
        let mut request = Outgoing::new(call.method, url).named("/{version}/{path}");
        request.max_answer = MAX_PASSED_THROUGH;
        if let Some((_, body)) = call.body {
            if let Some(Ok(value)) = content_type.map(HeaderValue::try_from) {
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
        let (usage, usage_headers) = (usage::read(&answer.headers), usage::copy(&answer.headers));
        let status = answer.status.as_u16();
        let answered = Answered { context: Context::Use, answer: &answer, at: self.clock.now(), usage };
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
        Ok(PassedThrough { status, body, failure, needs_scope, usage, usage_headers, is_too_large: false })
    }
}

/// The scope without which such a call never succeeds, by Meta's reference of the edge. Edges that
/// may answer with an empty list instead are left out.
fn scope_of(method: &Method, path: &str) -> Option<&'static str> {
    let edge = path.split_once('/').map(|(_, edge)| edge)?;
    match (method.as_str(), edge) {
        ("POST", "media" | "media_publish") | ("GET", "content_publishing_limit") => {
            Some("instagram_business_content_publish")
        }
        ("GET", "insights") => Some("instagram_business_manage_insights"),
        ("POST", "comments" | "replies") => Some("instagram_business_manage_comments"),
        ("POST", "messages") => Some("instagram_business_manage_messages"),
        _ => None,
    }
}

/// The type that the call's body goes out with; an error if the call must not be passed on.
pub(super) fn looked_through(call: &PassThrough) -> Result<Option<String>, Failure> {
    let of_body = |(kind, body): &(String, Bytes)| credential::body(kind, body);
    credential::path(&call.path)
        .and_then(|()| credential::query(&call.query))
        .and_then(|()| call.body.as_ref().map(of_body).transpose())
        .map_err(|why| Failure::new(Meaning::Content, why.to_string()))
}

/// Removes the grant from an answer: the addresses of further pages repeat it.
fn redact(value: &mut Value, token: &str) {
    match value {
        Value::String(text) => redact_text(text, token),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, token)),
        Value::Object(members) => {
            // A member's name could hold the grant too.
            if members.keys().any(|name| name.contains(token)) {
                let old = std::mem::take(members);
                members.extend(old.into_iter().map(|(name, value)| (name.replace(token, REDACTED), value)));
            }
            members.values_mut().for_each(|member| redact(member, token));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

const REDACTED: &str = "[redacted]";
/// Parameters that are removed from every address in an answer.
const SECRET_PARAMETERS: [&str; 3] = ["access_token", "appsecret_proof", "client_secret"];

fn redact_text(text: &mut String, token: &str) {
    // Remove the parameter whatever its value: a token that is not the grant is secret too.
    if let Some(shorter) = without_secrets(text) {
        *text = shorter;
    }
    if text.contains(token) {
        *text = text.replace(token, REDACTED);
    }
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    if encoded != token && text.contains(&encoded) {
        *text = text.replace(&encoded, REDACTED);
    }
}

/// The address without the parameters that are secret, in its query and in its fragment; `None`
/// where there are none, or where it is no address.
fn without_secrets(text: &str) -> Option<String> {
    let (before, query_and_fragment) = text.split_once('?').or_else(|| text.split_once('#'))?;
    if before.contains(char::is_whitespace) {
        return None;
    }
    let opener = text.get(before.len()..=before.len())?;
    let (query, fragment) = match query_and_fragment.split_once('#') {
        Some((query, fragment)) => (query, Some(fragment)),
        None => (query_and_fragment, None),
    };
    let (kept, had_secrets) = plain_pairs(query);
    let (kept_fragment, had_more) = fragment.map_or((String::new(), false), plain_pairs);
    if !had_secrets && !had_more {
        return None;
    }
    let mut shorter = before.to_owned();
    if !kept.is_empty() {
        shorter.push_str(opener);
        shorter.push_str(&kept);
    }
    if !kept_fragment.is_empty() {
        shorter.push('#');
        shorter.push_str(&kept_fragment);
    }
    Some(shorter)
}

/// The pairs that are no secret, as they were written, and whether there were others.
fn plain_pairs(query: &str) -> (String, bool) {
    let is_secret = |pair: &&str| {
        let name = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.to_lowercase());
        name.is_some_and(|name| SECRET_PARAMETERS.contains(&name.as_str()))
    };
    let (secret, plain): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_secret);
    (plain.join("&"), !secret.is_empty())
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
            "somebody's": "/v25.0/1?fields=a%2Cb&Access%5FToken=EAAother&x#access_token=EAAthird&y",
            "proof": "https://graph.instagram.com/?appsecret_proof=ab12&after=Q",
            "prose": "Is that so? access_token=mine",
            "by_token": {"IGAAtoken": {"xIGAAtoken": 1}, "a": 2}
        });
        redact(&mut body, "IGAAtoken");
        assert_eq!(
            body,
            json!({
                "data": [{"id": "1", "caption": "about [redacted] itself"}],
                "paging": {"next": "https://graph.instagram.com/v25.0/1/media?limit=25&after=Q"},
                "other": "https://graph.instagram.com/",
                "somebody's": "/v25.0/1?fields=a%2Cb&x#y",
                "proof": "https://graph.instagram.com/?after=Q",
                "prose": "Is that so? access_token=mine",
                "by_token": {"[redacted]": {"x[redacted]": 1}, "a": 2}
            })
        );
    }
}
