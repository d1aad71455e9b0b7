//! Pieces that the operator's page and its look-up have in common.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::memory::Remembered;
use super::super::pages::Markup;

/// Requests that were refused or failed.
pub(super) fn list(body: &mut Markup, requests: &[Arc<Remembered>], now: Timestamp) {
    body.raw("<table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Answer</th><th scope=\"col\">Request</th></tr></thead><tbody>");
    for one in requests {
        body.raw("<tr><td>");
        time(body, one.at, now);
        body.raw("</td><td>")
            .text(one.status)
            .raw(" ")
            .text(&one.code)
            .raw("</td><td>")
            .text(&one.method)
            .raw(" ")
            .text(&one.route);
        body.raw(" <a href=\"/?q=")
            .text(&one.request_id)
            .raw("\"><code>")
            .text(&one.request_id)
            .raw("</code></a>");
        if let Some(user) = one.user().filter(|_| !one.doubt().is_empty()) {
            body.raw(" <span class=\"soft\">by <code>")
                .text(user)
                .raw("</code>")
                .text(one.doubt())
                .raw("</span>");
        }
        body.raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

/// A time as people read it, with the distance from now.
pub(super) fn time(body: &mut Markup, at: Timestamp, now: Timestamp) {
    let seconds = at.as_second() - now.as_second();
    let (amount, unit) = match seconds.abs() {
        0..120 => (seconds.abs(), "s"),
        120..7200 => (seconds.abs() / 60, "min"),
        7200..172_800 => (seconds.abs() / 3600, "h"),
        _ => (seconds.abs() / 86_400, "days"),
    };
    body.raw("<time datetime=\"")
        .text(at)
        .raw("\">")
        .text(at.strftime("%-d %b %Y, %H:%M:%S UTC"))
        .raw("</time> ");
    body.raw("<span class=\"soft\">(");
    if seconds > 0 {
        body.raw("in ").text(amount).raw(" ").raw(unit);
    } else {
        body.text(amount).raw(" ").raw(unit).raw(" ago");
    }
    body.raw(")</span>");
}
