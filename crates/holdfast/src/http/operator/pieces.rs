//! Pieces that the operator's page and its look-up have in common.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::memory::Remembered;
use super::super::pages::{Markup, markup};

/// The beginning of a table with these columns.
pub(super) fn head(columns: &[&str]) -> Markup {
    let mut head = markup!("<table><thead><tr>");
    for column in columns {
        markup!(head, r#"<th scope="col">{}</th>"#, column);
    }
    markup!(head, "</tr></thead><tbody>");
    head
}

/// Requests that were refused or failed.
pub(super) fn list(body: &mut Markup, requests: &[Arc<Remembered>], now: Timestamp) {
    body.push(&head(&["When", "Answer", "Request"]));
    for one in requests {
        markup!(body, "<tr><td>{}</td><td>{} {}</td>", time(one.at, now), one.status, one.code);
        markup!(body, r#"<td>{} {} <a href="/?q={}">"#, one.method, one.route, one.request_id);
        markup!(body, "<code>{}</code></a>", one.request_id);
        if let Some(user) = one.user().filter(|_| !one.doubt().is_empty()) {
            markup!(body, r#" <span class="soft">by <code>{}</code>{}</span>"#, user, one.doubt());
        }
        markup!(body, "</td></tr>");
    }
    markup!(body, "</tbody></table>");
}

/// A time as people read it, with the distance from now.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = at.as_second() - now.as_second();
    let (amount, unit) = match seconds.abs() {
        0..120 => (seconds.abs(), "s"),
        120..7200 => (seconds.abs() / 60, "min"),
        7200..172_800 => (seconds.abs() / 3600, "h"),
        _ => (seconds.abs() / 86_400, "days"),
    };
    let (before, behind) = if seconds > 0 { ("in ", "") } else { ("", " ago") };
    let shown = at.strftime("%-d %b %Y, %H:%M:%S UTC");
    let distance = format!("{before}{amount} {unit}{behind}");
    markup!(r#"<time datetime="{}">{}</time> <span class="soft">({})</span>"#, at, shown, distance)
}
