//! The runbook, as every replica serves it: an alert's link leads here.

use super::super::pages::{Markup, Page};
use crate::overview::alerts::ALERTS;

pub(super) fn page() -> Page {
    let mut body = Markup::default();
    body.raw(
        "<h1>Alerts</h1><p class=\"lead\">What each alert means, what to run first, and how to fix it.</p>",
    );
    for alert in ALERTS {
        body.raw("<section id=\"").text(alert.name).raw("\"><h2>").text(alert.name).raw("</h2><p>");
        body.prose(alert.summary)
            .raw("</p><p>")
            .prose(alert.meaning)
            .raw("</p><div class=\"card remedy\"><h3>First</h3><p><code>");
        body.text(alert.first)
            .raw("</code></p><h3>How to fix it</h3><p>")
            .prose(alert.remedy)
            .raw("</p></div><p class=\"soft\"><code>");
        body.text(alert.expr).raw("</code></p></section>");
    }
    Page::for_operators("Alerts", &body)
}
