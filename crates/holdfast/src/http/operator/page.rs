//! The operator's page: what is wrong, how all connections fare, and what is known of one person or
//! one request.
//!
//! Rendered here, without a script. A picture is a `<meter>`: it follows both colour schemes, is
//! read out with its number, and needs no style attribute, which the content policy forbids.

use jiff::Timestamp;

use super::super::pages::{Markup, Page, markup};
use super::look_up::Found;
use super::pieces::{head, list, time};
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
    let mut body = markup!("<h1>Operation</h1>");
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
    markup!(
        body,
        "<form class=\"search\" method=\"get\" action=\"/\" role=\"search\"><label for=\"q\">User id, account id, \
         @handle or request id</label><span><input id=\"q\" name=\"q\" type=\"search\" autocomplete=\"off\" \
         spellcheck=\"false\" value=\"{}\"><button>Look up</button></span></form>",
        asked,
    );
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
    let unread = || markup!("no time: the database has not been read yet");
    markup!(body, r#"<p class="soft">As of {}"#, seen.taken_at.map_or_else(unread, |at| time(at, now)));
    if let Some(at) = seen.slowly_at {
        markup!(body, "; days to expiry, past refreshes, keys and what is kept as of {}", time(at, now));
    }
    markup!(body, ". Version {}, commit {}.</p>", env!("CARGO_PKG_VERSION"), COMMIT);
}

fn headline(body: &mut Markup, troubles: &[Trouble]) {
    if troubles.is_empty() {
        let rest = "as far as this process sees.";
        markup!(body, r#"<p class="card good" role="status"><strong>Nothing is wrong</strong> {}</p>"#, rest);
        return;
    }
    markup!(body, r#"<div class="card bad" role="status"><h2>Wrong now</h2><ul>"#);
    for Trouble { alert, says, .. } in troubles {
        markup!(body, r#"<li>{} <a href="/runbook#{}">{}</a></li>"#, says, alert, alert);
    }
    markup!(body, "</ul></div>");
}

fn connections(body: &mut Markup, seen: &Snapshot) {
    markup!(body, "<h2>Connections</h2>");
    let rows: Vec<(String, u64)> = seen
        .counts
        .iter()
        .map(|each| (state_in_words(each.standing.state(), each.standing.reason()), each.amount))
        .collect();
    pictures(body, ["State and reason", "Connections"], &rows, "There are none yet.");
}

fn expiry(body: &mut Markup, seen: &Snapshot, now: Timestamp) {
    markup!(body, "<h2>Days to expiry</h2>");
    match seen.soonest_expiry {
        Some(at) => markup!(body, "<p>The first grant expires {}.</p>", time(at, now)),
        None => markup!(body, "<p>No grant is in use.</p>"),
    };
    let mut groups: Vec<(String, u64)> = DAYS.iter().map(|(_, name)| ((*name).to_owned(), 0)).collect();
    for (days, amount) in &seen.expiring {
        if let Some(at) = DAYS.iter().rposition(|(first, _)| first <= days) {
            groups[at].1 += amount;
        }
    }
    pictures(body, ["Left", "Grants"], &groups, "");
}

fn refreshes(body: &mut Markup, seen: &Snapshot) {
    let overdue = seen.overdue.map_or_else(|| markup!("not counted yet"), |amount| markup!("{}", amount));
    markup!(body, "<h2>Refreshes</h2><p>Overdue: <strong>{}</strong>.</p>", overdue);
    let rows = |of: fn(&crate::store::Refreshes) -> u64| -> Vec<(String, u64)> {
        seen.refreshes.iter().map(|each| (each.outcome.clone(), of(each))).collect()
    };
    // Headings of their own: on a phone the tables' heads are not shown.
    for (title, rows) in
        [("The last day", rows(|each| each.day)), ("The last 30 days", rows(|each| each.month))]
    {
        markup!(body, "<h3>{}</h3>", title);
        pictures(body, ["Outcome", "Refreshes"], &rows, "None.");
    }
}

fn provider(body: &mut Markup, operator: &Operator, seen: &Snapshot, now: Timestamp) {
    let connections = &operator.overview.connections;
    let percent = format!("{:.0}", connections.budget_used() * 100.0);
    markup!(
        body,
        "<h2>Instagram</h2><table><tbody><tr><th scope=\"row\">Budget used</th><td><meter min=\"0\" max=\"100\" \
         high=\"75\" optimum=\"0\" value=\"{}\">{} %</meter></td><td class=\"number\">{} %</td></tr>",
        percent,
        percent,
        percent,
    );
    let incident = seen.incident_since.map(|at| markup!("since {}", time(at, now)));
    let asked_again = connections.provider_rests_until().map(|at| time(at, now));
    let journal = seen.journal.as_ref().map(|all| markup!("{}", all.len()));
    for (what, value) in [
        ("Incident", incident.unwrap_or_else(|| markup!("none"))),
        ("Asked again", asked_again.unwrap_or_else(|| markup!("at any time"))),
        ("Tokens in the journal", journal.unwrap_or_else(|| markup!("cannot be counted"))),
    ] {
        markup!(body, r#"<tr><th scope="row">{}</th><td colspan="2">{}</td></tr>"#, what, value);
    }
    markup!(body, "</tbody></table>");
}

fn refusals(body: &mut Markup, operator: &Operator) {
    markup!(body, "<h2>Refusals</h2>");
    let mut rows: Vec<(String, u64)> = operator.state.edge.metrics.memory.by_code().into_iter().collect();
    rows.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
    pictures(body, ["Code, since this process started", "Requests"], &rows, "Nothing was refused.");
    origins(body, operator);
    let latest = operator.state.edge.metrics.memory.latest(10);
    if !latest.is_empty() {
        markup!(body, "<h3>The latest</h3>");
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
    markup!(body, "<h3>Pages of other origins</h3>{}", head(&["Origin", "Nearest allowed", "Last call"]));
    for one in origins {
        let nearest = one.nearest.as_deref().unwrap_or("none");
        markup!(body, "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", one.origin, nearest, time(one.at, now));
    }
    markup!(body, "</tbody></table>");
}

fn keys(body: &mut Markup, operator: &Operator, seen: &Snapshot, now: Timestamp) {
    let keys = operator.state.verifier.key_status();
    let fetched = |at| markup!("fetched {}", time(crate::clock::from_millis(at), now));
    let since = keys.loaded_at_ms.map_or_else(|| markup!("pinned, or not there yet"), fetched);
    markup!(body, "<h2>Keys</h2>{}", head(&["Key", "Since"]));
    markup!(body, "<tr><td>Clerk's {}</td><td>{}</td></tr>", keys.kids.join(", "), since);
    let sealing = operator.state.vault.ring();
    for (id, at) in &seen.keys {
        let does = if id == sealing.sealing_id() { "seals" } else { "opens" };
        markup!(body, "<tr><td>{} ({})</td><td>{}</td></tr>", id, does, time(*at, now));
    }
    markup!(body, "</tbody></table>");
}

fn kept(body: &mut Markup, seen: &Snapshot, now: Timestamp) {
    markup!(
        body,
        "<h2>What is kept</h2><table><thead><tr><th scope=\"col\">Table</th><th scope=\"col\" class=\"number\">Rows</th>\
         <th scope=\"col\">Oldest</th></tr></thead><tbody>"
    );
    for table in &seen.tables {
        let oldest = table.oldest.map_or_else(|| markup!("–"), |at| time(at, now));
        markup!(body, r#"<tr><td>{}</td><td class="number">{}</td>"#, table.name, table.amount);
        markup!(body, "<td>{}</td></tr>", oldest);
    }
    markup!(body, "</tbody></table>");
}

/// Each row as a picture with its number.
fn pictures(body: &mut Markup, heads: [&str; 2], rows: &[(String, u64)], none: &'static str) {
    if rows.is_empty() {
        markup!(body, r#"<p class="soft">{}</p>"#, none);
        return;
    }
    let all: u64 = rows.iter().map(|(_, amount)| *amount).sum();
    markup!(
        body,
        "<table class=\"pictures\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\"><span class=\"unseen\">Share</span>\
         </th><th scope=\"col\" class=\"number\">{}</th></tr></thead><tbody>",
        heads[0],
        heads[1],
    );
    for (name, amount) in rows {
        markup!(body, r#"<tr><td>{}</td><td><meter min="0" max="{}" value="{}">"#, name, all.max(1), amount);
        markup!(body, r#"{} of {}</meter></td><td class="number">{}</td></tr>"#, amount, all, amount);
    }
    markup!(body, "</tbody></table>");
}
