//! What a look-up found, as the operator reads it: a request, and people.

use jiff::Timestamp;

use super::super::memory::Recalled;
use super::super::pages::{Markup, markup, prose};
use super::super::problem::ProblemCode;
use super::look_up::{Found, Person};
use super::pieces::{head, list, time};
use crate::connection::state_in_words;

pub(super) fn result(body: &mut Markup, asked: &str, found: &Found, now: Timestamp) {
    markup!(body, r#"<p><a href="/">Overview</a></p>"#);
    if let Some(trouble) = &found.trouble {
        let what = "Not everything could be looked up:";
        markup!(body, r#"<p class="card bad" role="status">{} {}</p>"#, what, trouble);
    }
    if let Some(request) = &found.request {
        explain(body, request, now);
    }
    for person in &found.people {
        describe(body, person, now);
    }
    if found.request.is_none() && found.people.is_empty() {
        markup!(
            body,
            "<p role=\"status\">Nothing is known about <code>{}</code>. This process remembers its last 10,000 refused or \
             failed requests. Ask the other replicas too, or search the log: <code>holdfast why {} &lt; LOG</code>.</p>",
            asked,
            asked,
        );
    }
}

fn explain(body: &mut Markup, recalled: &Recalled, now: Timestamp) {
    let request = &recalled.first;
    markup!(body, "<h2>Request <code>{}</code></h2>", request.request_id);
    if let Some(warning) = recalled.warning() {
        markup!(body, "<p>{}</p>", warning);
    }
    markup!(body, "<table><tbody>");
    let mut row = |name: &'static str, value: &str| {
        markup!(body, r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, name, value);
    };
    row("Asked", &format!("{} {}", request.method, request.route));
    row("Answered", &format!("{} {}", request.status, request.code));
    row("Told", &request.detail);
    if let Some(judgement) = &request.judgement {
        row("Step", &judgement.step);
        row("Found", &judgement.found);
        row("Token", judgement.fingerprint.as_deref().unwrap_or("none was sent"));
    }
    if let Some(cause) = &request.cause {
        row("Because", cause);
    }
    if let Some(user) = request.user() {
        row("User", &format!("{user}{}", request.doubt()));
    }
    markup!(body, r#"<tr><th scope="row">When</th><td>{}</td></tr></tbody></table>"#, time(request.at, now));
    if let Some(entry) = ProblemCode::parse(&request.code).map(ProblemCode::entry) {
        markup!(body, "<p>{}</p>", prose(entry.meaning));
        let guesses = request.guesses(entry.causes);
        if !guesses.is_empty() {
            markup!(body, "<ul>");
            for cause in guesses {
                markup!(body, "<li>{}</li>", prose(cause));
            }
            markup!(body, "</ul>");
        }
        let remedy = prose(request.remedy(entry.remedy));
        markup!(body, r#"<div class="card remedy"><h3>How to fix it</h3><p>{}</p></div>"#, remedy);
    }
}

fn describe(body: &mut Markup, person: &Person, now: Timestamp) {
    markup!(body, "<h2><code>{}</code></h2>", person.user_id);
    if let Some(user) = &person.user {
        markup!(body, "<p>Known since {}", time(user.created_at, now));
        if let Some(at) = user.last_seen_at {
            markup!(body, ", last seen {}", time(at, now));
        }
        markup!(body, ".</p>");
    } else {
        markup!(body, "<p>There is no record of this user.</p>");
    }
    if let Some(status) = &person.status {
        let state = state_in_words(status.state, status.reason);
        markup!(body, r#"<p class="lead"><strong>{}</strong>"#, state);
        if let Some(account) = &status.account {
            markup!(body, " · @{} ({})", account.username.as_deref().unwrap_or("?"), account.id);
        }
        markup!(body, "</p>");
        if let Some(at) = status.token_expires_at {
            markup!(body, "<p>The grant ends {}.</p>", time(at, now));
        }
    }
    if !person.history.is_empty() {
        markup!(body, "<h3>History</h3>{}", head(&["When", "State", "Evidence"]));
        for entry in &person.history {
            let state = state_in_words(entry.state, entry.reason);
            let source = entry.evidence.map_or("", |evidence| evidence.source.as_str());
            markup!(body, "<tr><td>{}</td><td>{}</td><td>{}", time(entry.at, now), state, source);
            if let Some(detail) = &entry.detail {
                markup!(body, r#" <span class="soft">{}</span>"#, detail);
            }
            markup!(body, "</td></tr>");
        }
        markup!(body, "</tbody></table>");
    }
    if !person.refusals.is_empty() {
        markup!(body, "<h3>Last refusals</h3>");
        list(body, &person.refusals, now);
    }
}
