//! The table of statuses that clients are promised, written down a second time on purpose: a status is held against this one
//! and not against the code that makes it.

use serde_json::{Value, json};

/// Statuses that share an action.
struct Row {
    state: &'static str,
    /// `None`: as before the attempt.
    connected: Option<bool>,
    reasons: &'static [Option<&'static str>],
    action: &'static str,
}

const TABLE: &[Row] = &[
    Row { state: "connecting", connected: None, reasons: &[None], action: "none" },
    Row {
        state: "not_connected",
        connected: Some(false),
        reasons: &[
            None,
            Some("user_disconnected"),
            Some("denied"),
            Some("attempt_expired"),
            Some("attempt_failed"),
        ],
        action: "connect",
    },
    Row { state: "connected", connected: Some(true), reasons: &[None], action: "none" },
    Row {
        state: "connected",
        connected: Some(true),
        reasons: &[Some("scopes_missing")],
        action: "reconnect",
    },
    Row {
        state: "degraded",
        connected: Some(true),
        reasons: &[
            Some("refresh_failing"),
            Some("rate_limited"),
            Some("provider_unavailable"),
            Some("provider_incident"),
            Some("app_misconfigured"),
        ],
        action: "wait",
    },
    Row {
        state: "action_required",
        connected: Some(false),
        reasons: &[Some("checkpoint"), Some("unconfirmed"), Some("restricted"), Some("consent_blocked")],
        action: "fix_at_instagram",
    },
    Row {
        state: "reconnect_required",
        connected: Some(false),
        reasons: &[
            Some("expired"),
            Some("revoked"),
            Some("password_changed"),
            Some("deauthorized"),
            Some("token_invalid"),
            Some("account_ineligible"),
            Some("key_lost"),
        ],
        action: "reconnect",
    },
    Row {
        state: "unavailable",
        connected: Some(false),
        reasons: &[Some("not_configured")],
        action: "contact_support",
    },
];

/// Holds a status against the table.
pub fn in_contract(status: &Value) {
    let is_row = |row: &Row| {
        status["state"] == row.state
            && status["action"] == row.action
            && row.connected.is_none_or(|connected| status["connected"] == connected)
            && row.reasons.iter().any(|reason| status["reason"] == json!(reason))
    };
    assert!(TABLE.iter().any(is_row), "{status}");
    let is_wrong = status["connected"] == false
        && status["reason"].as_str().is_some_and(|reason| reason != "user_disconnected");
    assert_eq!(
        status["error"].is_string(),
        is_wrong,
        "for clients that read only `connected` and `error`: {status}"
    );
}
