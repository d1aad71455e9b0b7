//! The runbook, as every replica serves it: an alert's link leads here.

use super::super::pages::{Markup, Page, markup, prose};
use crate::overview::alerts::ALERTS;

pub(super) fn page() -> Page {
    let mut body = Markup::default();
    markup!(
        body,
        r#"<h1>Alerts</h1><p class="lead">What each alert means, what to run first, and how to fix it.</p>"#
    );
    for alert in ALERTS {
        markup!(body, r#"<section id="{}"><h2>{}</h2>"#, alert.name, alert.name);
        markup!(body, "<p>{}</p><p>{}</p>", prose(alert.summary), prose(alert.meaning));
        markup!(body, r#"<div class="card remedy"><h3>First</h3><p><code>{}</code></p>"#, alert.first);
        markup!(body, "<h3>How to fix it</h3><p>{}</p></div>", prose(alert.remedy));
        markup!(body, r#"<p class="soft"><code>{}</code></p></section>"#, alert.expr);
    }
    Page::for_operators("Alerts", &body)
}
