//! The operator's page: what is wrong, how all connections fare, and what is known of one person or
//! one request.
//!
//! Rendered here, without a script. A picture is a `<meter>`: it follows both colour schemes, is
//! read out with its number, and needs no style attribute, which the content policy forbids.

use jiff::Timestamp;

use super::super::pages::{Markup, Page};
use super::look_up::Found;
use super::pieces::{list, time};
use super::result::result;
use super::{Operator, Trouble};
use crate::connection::state_in_words;
use crate::overview::{COMMIT, Snapshot};

/// Days to expiry, in the groups of the picture: the first day of each, and its name.
const DAYS: [(u64, &str); 8] = [
    (0, "less than 1 day"),
    (1, "1 to 3 days"),
    (3, "3 to 7 days"),
    (7, "7 to 14 days"),
    (14, "14 to 30 days"),
    (30, "30 to 45 days"),
    (45, "45 to 60 days"),
    (60, "60 days and more"),
];

pub(super) fn render(operator: &Operator, troubles: &[Trouble], asked: &str, found: Option<&Found>) -> Page {
    let mut body = Markup::default();
    body.raw("<h1>Operation</h1>");
    search(&mut body, asked);
    if let Some(found) = found {
        result(&mut body, asked, found, operator.overview.clock.now());
    } else {
        overview(&mut body, operator, troubles);
    }
    let title = if asked.is_empty() { "Operation" } else { "Look-up" };
    Page::for_operators(title, &body)
}

fn search(body: &mut Markup, asked: &str) {
    body.raw("<form class=\"search\" method=\"get\" action=\"/\" role=\"search\"><label for=\"q\">User id, account id, @handle or request id</label><span><input id=\"q\" name=\"q\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" value=\"")
        .text(asked)
        .raw("\"><button>Look up</button></span></form>");
}

fn overview(body: &mut Markup, operator: &Operator, troubles: &[Trouble]) {
    let now = operator.overview.clock.now();
    let seen = operator.overview.snapshot();
    headline(body, troubles);
    connections(body, &seen);
    expiry(body, &seen, now);
    refreshes(body, &seen);
    provider(body, operator, &seen, now);
    refusals(body, operator);
    keys(body, operator, &seen, now);
    kept(body, &seen, now);
    body.raw("<p class=\"soft\">As of ");
    match seen.taken_at {
        Some(at) => time(body, at, now),
        None => _ = body.raw("no time: the database has not been read yet"),
    }
    if let Some(at) = seen.slowly_at {
        body.raw("; days to expiry, past refreshes, keys and what is kept as of ");
        time(body, at, now);
    }
    body.raw(". Version ").text(env!("CARGO_PKG_VERSION")).raw(", commit ").text(COMMIT).raw(".</p>");
}

fn headline(body: &mut Markup, troubles: &[Trouble]) {
    if troubles.is_empty() {
        body.raw("<p class=\"card good\" role=\"status\"><strong>Nothing is wrong</strong> as far as this process sees.</p>");
        return;
    }
    body.raw("<div class=\"card bad\" role=\"status\"><h2>Wrong now</h2><ul>");
    for trouble in troubles {
        body.raw("<li>").text(&trouble.says).raw(" <a href=\"/runbook#").text(&trouble.alert).raw("\">");
        body.text(&trouble.alert).raw("</a></li>");
    }
    body.raw("</ul></div>");
}

fn connections(body: &mut Markup, seen: &Snapshot) {
    let all: u64 = seen.counts.iter().map(|each| each.amount).sum();
    body.raw("<h2>Connections</h2>");
    let rows: Vec<(String, u64)> = seen
        .counts
        .iter()
        .map(|each| (state_in_words(each.standing.state(), each.standing.reason()), each.amount))
        .collect();
    pictures(body, ["State and reason", "Connections"], &rows, all, "There are none yet.");
}

fn expiry(body: &mut Markup, seen: &Snapshot, now: Timestamp) {
    body.raw("<h2>Days to expiry</h2><p>");
    match seen.soonest_expiry {
        Some(at) => {
            body.raw("The first grant expires ");
            time(body, at, now);
            body.raw(".</p>");
        }
        None => _ = body.raw("No grant is in use.</p>"),
    }
    let mut groups: Vec<(String, u64)> = DAYS.iter().map(|(_, name)| ((*name).to_owned(), 0)).collect();
    for (days, amount) in &seen.expiring {
        if let Some(at) = DAYS.iter().rposition(|(first, _)| first <= days) {
            groups[at].1 += amount;
        }
    }
    let all = groups.iter().map(|(_, amount)| *amount).sum();
    pictures(body, ["Left", "Grants"], &groups, all, "");
}

fn refreshes(body: &mut Markup, seen: &Snapshot) {
    body.raw("<h2>Refreshes</h2><p>Overdue: <strong>").text(seen.overdue).raw("</strong>.</p>");
    let rows = |of: fn(&crate::store::Refreshes) -> u64| -> Vec<(String, u64)> {
        seen.refreshes.iter().map(|each| (each.outcome.clone(), of(each))).collect()
    };
    // Headings of their own: on a phone the tables' heads are not shown.
    for (title, rows) in [
        ("<h3>The last day</h3>", rows(|each| each.day)),
        ("<h3>The last 30 days</h3>", rows(|each| each.month)),
    ] {
        body.raw(title);
        let all = rows.iter().map(|(_, amount)| *amount).sum();
        pictures(body, ["Outcome", "Refreshes"], &rows, all, "None.");
    }
}

fn provider(body: &mut Markup, operator: &Operator, seen: &Snapshot, now: Timestamp) {
    let connections = &operator.overview.connections;
    let used = connections.budget_used();
    body.raw("<h2>Instagram</h2><table><tbody><tr><th scope=\"row\">Budget used</th><td><meter min=\"0\" max=\"100\" high=\"75\" optimum=\"0\" value=\"");
    let percent = format!("{:.0}", used * 100.0);
    body.text(&percent).raw("\">").text(&percent).raw(" %</meter></td><td class=\"number\">").text(&percent);
    body.raw(" %</td></tr><tr><th scope=\"row\">Incident</th><td colspan=\"2\">");
    match seen.incident_since {
        Some(at) => {
            body.raw("since ");
            time(body, at, now);
        }
        None => _ = body.raw("none"),
    }
    body.raw("</td></tr><tr><th scope=\"row\">Asked again</th><td colspan=\"2\">");
    match connections.provider_rests_until() {
        Some(at) => time(body, at, now),
        None => _ = body.raw("at any time"),
    }
    body.raw("</td></tr><tr><th scope=\"row\">Tokens in the journal</th><td colspan=\"2\">");
    match &seen.journal {
        Some(all) => _ = body.text(all.len()),
        None => _ = body.raw("cannot be counted"),
    }
    body.raw("</td></tr></tbody></table>");
}

fn refusals(body: &mut Markup, operator: &Operator) {
    body.raw("<h2>Refusals</h2>");
    let mut rows: Vec<(String, u64)> = operator.state.edge.metrics.memory.by_code().into_iter().collect();
    rows.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
    let all = rows.iter().map(|(_, amount)| *amount).sum();
    pictures(body, ["Code, since this process started", "Requests"], &rows, all, "Nothing was refused.");
    origins(body, operator);
    let latest = operator.state.edge.metrics.memory.latest(10);
    if !latest.is_empty() {
        body.raw("<h3>The latest</h3>");
        list(body, &latest, operator.overview.clock.now());
    }
}

/// Pages that may not call, which their browsers tell nobody about.
fn origins(body: &mut Markup, operator: &Operator) {
    let origins = operator.state.edge.metrics.memory.origins();
    if origins.is_empty() {
        return;
    }
    let now = operator.overview.clock.now();
    body.raw("<h3>Pages of other origins</h3><table><thead><tr><th scope=\"col\">Origin</th><th scope=\"col\">Nearest allowed</th><th scope=\"col\">Last call</th></tr></thead><tbody>");
    for one in origins {
        body.raw("<tr><td>").text(&one.origin).raw("</td><td>");
        body.text(one.nearest.as_deref().unwrap_or("none")).raw("</td><td>");
        time(body, one.at, now);
        body.raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

fn keys(body: &mut Markup, operator: &Operator, seen: &Snapshot, now: Timestamp) {
    body.raw("<h2>Keys</h2><table><thead><tr><th scope=\"col\">Key</th><th scope=\"col\">Since</th></tr></thead><tbody>");
    let keys = operator.state.verifier.key_status();
    body.raw("<tr><td>Clerk's ").text(keys.kids.join(", ")).raw("</td><td>");
    match keys.loaded_at_ms {
        Some(at) => {
            body.raw("fetched ");
            time(body, crate::clock::from_millis(at), now);
        }
        None => _ = body.raw("pinned, or not there yet"),
    }
    body.raw("</td></tr>");
    let sealing = operator.state.vault.ring();
    for (id, at) in &seen.keys {
        body.raw("<tr><td>").text(id);
        body.raw(if id == sealing.sealing_id() { " (seals)" } else { " (opens)" }).raw("</td><td>");
        time(body, *at, now);
        body.raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

fn kept(body: &mut Markup, seen: &Snapshot, now: Timestamp) {
    body.raw("<h2>What is kept</h2><table><thead><tr><th scope=\"col\">Table</th><th scope=\"col\" class=\"number\">Rows</th><th scope=\"col\">Oldest</th></tr></thead><tbody>");
    for table in &seen.tables {
        body.raw("<tr><td>")
            .text(&table.name)
            .raw("</td><td class=\"number\">")
            .text(table.amount)
            .raw("</td><td>");
        match table.oldest {
            Some(at) => time(body, at, now),
            None => _ = body.raw("–"),
        }
        body.raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

/// Each row as a picture with its number.
fn pictures(body: &mut Markup, heads: [&str; 2], rows: &[(String, u64)], all: u64, none: &'static str) {
    if rows.is_empty() {
        body.raw("<p class=\"soft\">").raw(none).raw("</p>");
        return;
    }
    body.raw("<table class=\"pictures\"><thead><tr><th scope=\"col\">").text(heads[0]);
    body.raw(
        "</th><th scope=\"col\"><span class=\"unseen\">Share</span></th><th scope=\"col\" class=\"number\">",
    )
    .text(heads[1]);
    body.raw("</th></tr></thead><tbody>");
    for (name, amount) in rows {
        body.raw("<tr><td>")
            .text(name)
            .raw("</td><td><meter min=\"0\" max=\"")
            .text(all.max(1))
            .raw("\" value=\"");
        body.text(amount)
            .raw("\">")
            .text(amount)
            .raw(" of ")
            .text(all)
            .raw("</meter></td><td class=\"number\">");
        body.text(amount).raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}
