//! What a look-up found, as the operator reads it: a request, and people.

use jiff::Timestamp;

use super::super::memory::Recalled;
use super::super::pages::Markup;
use super::super::problem::ProblemCode;
use super::look_up::{Found, Person};
use super::pieces::{list, time};
use crate::connection::state_in_words;

pub(super) fn result(body: &mut Markup, asked: &str, found: &Found, now: Timestamp) {
    body.raw("<p><a href=\"/\">Overview</a></p>");
    if let Some(trouble) = &found.trouble {
        body.raw("<p class=\"card bad\" role=\"status\">Not everything could be looked up: ")
            .text(trouble)
            .raw("</p>");
    }
    if let Some(request) = &found.request {
        explain(body, request, now);
    }
    for person in &found.people {
        describe(body, person, now);
    }
    if found.request.is_none() && found.people.is_empty() {
        body.raw("<p role=\"status\">Nothing is known about <code>").text(asked);
        body.raw("</code>. This process remembers its last 10,000 refused or failed requests. Ask the other replicas too, or \
                  search the log: <code>holdfast why ");
        body.text(asked).raw(" &lt; LOG</code>.</p>");
    }
}

fn explain(body: &mut Markup, recalled: &Recalled, now: Timestamp) {
    let request = &recalled.first;
    body.raw("<h2>Request <code>").text(&request.request_id).raw("</code></h2>");
    if let Some(warning) = recalled.warning() {
        body.raw("<p>").text(warning).raw("</p>");
    }
    body.raw("<table><tbody>");
    let mut row = |name: &'static str, value: &str| {
        body.raw("<tr><th scope=\"row\">").raw(name).raw("</th><td>").text(value).raw("</td></tr>");
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
    body.raw("<tr><th scope=\"row\">When</th><td>");
    time(body, request.at, now);
    body.raw("</td></tr></tbody></table>");
    if let Some(entry) = ProblemCode::parse(&request.code).map(ProblemCode::entry) {
        body.raw("<p>").prose(entry.meaning).raw("</p><ul>");
        for cause in entry.causes {
            body.raw("<li>").prose(cause).raw("</li>");
        }
        body.raw("</ul><div class=\"card remedy\"><h3>How to fix it</h3><p>")
            .prose(entry.remedy)
            .raw("</p></div>");
    }
}

fn describe(body: &mut Markup, person: &Person, now: Timestamp) {
    body.raw("<h2><code>").text(&person.user_id).raw("</code></h2>");
    match &person.user {
        Some(user) => {
            body.raw("<p>Known since ");
            time(body, user.created_at, now);
            if let Some(at) = user.last_seen_at {
                body.raw(", last seen ");
                time(body, at, now);
            }
            body.raw(".</p>");
        }
        None => _ = body.raw("<p>There is no record of this user.</p>"),
    }
    if let Some(status) = &person.status {
        let state = state_in_words(status.state, status.reason);
        body.raw("<p class=\"lead\"><strong>").text(state).raw("</strong>");
        if let Some(account) = &status.account {
            body.raw(" · @")
                .text(account.username.as_deref().unwrap_or("?"))
                .raw(" (")
                .text(&account.id)
                .raw(")");
        }
        body.raw("</p>");
        if let Some(at) = status.token_expires_at {
            body.raw("<p>The grant ends ");
            time(body, at, now);
            body.raw(".</p>");
        }
    }
    if !person.history.is_empty() {
        body.raw("<h3>History</h3><table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">State</th><th scope=\"col\">Evidence</th></tr></thead><tbody>");
        for entry in &person.history {
            body.raw("<tr><td>");
            time(body, entry.at, now);
            body.raw("</td><td>").text(state_in_words(entry.state, entry.reason)).raw("</td><td>");
            if let Some(evidence) = entry.evidence {
                body.text(evidence.source.as_str());
            }
            if let Some(detail) = &entry.detail {
                body.raw(" <span class=\"soft\">").text(detail).raw("</span>");
            }
            body.raw("</td></tr>");
        }
        body.raw("</tbody></table>");
    }
    if !person.refusals.is_empty() {
        body.raw("<h3>Last refusals</h3>");
        list(body, &person.refusals, now);
    }
}
