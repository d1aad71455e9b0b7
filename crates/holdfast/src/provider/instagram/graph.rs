//! The Graph API: `/me`, and the app's own calls with the grant injected.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::{Answered, unanswered};
use super::meaning::Context;
use super::wire::{self, Body, Unusable};
use super::{Instagram, credential, endpoint, usage};
use crate::provider::{Account, Failure, Grant, Meaning, NotPassed, PassThrough, PassedThrough, Reply};
use crate::transport::{Outgoing, TransportError};

/// The fields of `/me` that we read. Only one source reports that `user_id` makes it fail for some
/// accounts, so there is no second attempt with fewer fields: a call here is one exchange.
const FIELDS: &str = "id,user_id,username,name,account_type,profile_picture_url";

/// Longest answer that is passed on, in bytes. A page of the app's data may exceed a token answer.
const MAX_PASSED_THROUGH: usize = 2 * 1024 * 1024;

/// Time limit of a call that changes something: where it is cut short, nobody knows whether it was
/// carried out. Our own answer comes in time for clients that wait 15 s, as ours do.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(12);

impl Instagram {
    pub(super) async fn me(&self, grant: &Grant) -> Reply<Account> {
        let token = grant.access_token.expose_secret();
        let mut url = endpoint(&self.config.graph_url, [self.config.graph_version.as_str(), "me"]);
        url.query_pairs_mut().append_pair("fields", FIELDS).append_pair("access_token", token);
        let request = Outgoing::new(Method::GET, url).named("/{version}/me");
        self.ask(Context::Identify, request, &[token], |object, _| {
            let account = wire::account(object)?;
            if account.account_type.as_deref() == Some("personal") {
                Err(Unusable::Personal)
            } else {
                Ok(account)
            }
        })
        .await
    }

    pub(super) async fn pass(&self, grant: &Grant, call: PassThrough) -> Result<PassedThrough, NotPassed> {
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
        if request.method != Method::GET {
            request.timeout = CHANGE_TIMEOUT;
        }
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
            Err(TransportError::TooLarge) => return Err(NotPassed::TooLarge),
            Err(error) => return Err(unanswered(Context::Use, error).into()),
        };
        let (usage, usage_headers) = (usage::read(&answer.headers), usage::copy(&answer.headers));
        let status = answer.status.as_u16();
        let answered = Answered { context: Context::Use, answer: &answer, at: self.clock.now(), usage };
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let body = serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get);
        let failure = match body.map(form) {
            Some(Some(Body::Error(error))) => Some(answered.refused(&error, &[token])),
            // Some writes answer with a bare `true`.
            Some(Some(Body::Object(_)) | None) if answer.status.is_success() => None,
            Some(_) | None => Some(answered.unreadable(answer.body.len())),
        };
        let body = body.and_then(|body| RawValue::from_string(redacted(body, token)).ok());
        Ok(PassedThrough { status, body, failure, needs_scope, usage, usage_headers })
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

/// The form of an answer that is an object; `None` for another.
fn form(json: &str) -> Option<Body> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    // Nothing in an answer's data makes it an error.
    let members = members
        .into_iter()
        .filter(|(name, _)| name != "data")
        .map(|(name, member)| (name, wire::lenient(member.get())));
    Some(Body::of_object(members.collect()))
}

/// The JSON without the grant, which the addresses of further pages repeat. Everything else stays
/// as it was sent: numbers of any size, and strings that are no Unicode.
fn redacted(json: &str, token: &str) -> String {
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('"') {
        let (before, from_string) = rest.split_at(at);
        let (string, after) = from_string.split_at(string_length(from_string));
        whole.push_str(before);
        match redacted_text(&wire::decoded(string).unwrap_or_default(), token) {
            Some(text) => whole.push_str(&Value::String(text).to_string()),
            None => whole.push_str(string),
        }
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// The length of the string that valid JSON begins with, both quotes included.
fn string_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

const REDACTED: &str = "[redacted]";
/// Parameters that are removed from every address in an answer.
const SECRET_PARAMETERS: [&str; 3] = ["access_token", "appsecret_proof", "client_secret"];

/// The text without secrets; `None` where it has none.
fn redacted_text(text: &str, token: &str) -> Option<String> {
    // Remove the parameter whatever its value: a token that is not the grant is secret too.
    let mut shown = without_secrets(text);
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    for secret in [token, &encoded] {
        let now = shown.as_deref().unwrap_or(text);
        if now.contains(secret) {
            shown = Some(now.replace(secret, REDACTED));
        }
    }
    shown
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
        let body = json!({
            "data": [{"id": "1", "caption": "about IGAAtoken itself"}],
            "paging": {"next": "https://graph.instagram.com/v25.0/1/media?access_token=IGAAtoken&limit=25&after=Q"},
            "other": "https://graph.instagram.com/?access_token=IGAAtoken",
            "somebody's": "/v25.0/1?fields=a%2Cb&Access%5FToken=EAAother&x#access_token=EAAthird&y",
            "proof": "https://graph.instagram.com/?appsecret_proof=ab12&after=Q",
            "prose": "Is that so? access_token=mine",
            "by_token": {"IGAAtoken": {"xIGAAtoken": 1}, "a": 2}
        });
        assert_eq!(
            serde_json::from_str::<Value>(&redacted(&body.to_string(), "IGAAtoken")).unwrap(),
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

    #[test]
    fn what_is_no_secret_stays_as_it_was_sent() {
        for sent in [
            r#"{ "big":184467440737095516160.10 , "huge":[1e400,-0,1E+2], "big": 1 }"#,
            r#""😀 \ud83d https:\/\/x\u002F?a=b \"\\""#,
            r#"{"\"":"\\","":""}"#,
            "true",
        ] {
            assert_eq!(redacted(sent, "IGAAtoken"), sent);
        }
        for (sent, shown) in [
            (
                r#"{"a":1e400,"next":"https:\/\/x\/?limit=1&access_token=y"}"#,
                r#"{"a":1e400,"next":"https://x/?limit=1"}"#,
            ),
            (r#"["\u0049GAA\u0074oken \ud83d"]"#, "[\"[redacted] \u{fffd}\u{fffd}\u{fffd}\"]"),
            (r#"["\"IGAAtoken","IGAAtoken\\","x"]"#, r#"["\"[redacted]","[redacted]\\","x"]"#),
        ] {
            assert_eq!(redacted(sent, "IGAAtoken"), shown);
        }
    }

    #[test]
    fn an_error_is_seen_beside_what_cannot_be_read() {
        assert!(matches!(form(r#"{"n":1e400,"error":{"code":190}}"#), Some(Body::Error(_))));
        let form_of_error = form(r#"{"error":{"code":190,"message":"\ud83d","n":1e400}}"#);
        assert!(matches!(form_of_error, Some(Body::Error(wire::ErrorBody { code: Some(190), .. }))));
        assert!(matches!(form(r#"{"error":1e400}"#), Some(Body::Unreadable)));
        assert!(matches!(form(r#"{"n":1e400,"data":[1e400]}"#), Some(Body::Object(_))));
        assert!(form("[1e400]").is_none());
    }
}
