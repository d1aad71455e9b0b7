//! The table of statuses that clients are promised, written down a second time on purpose: a status
//! is held against this one and not against the code that makes it.

use serde_json::{Value, json};

/// Statuses that share an action.
struct Row {
    state: &'static str,
    connected: bool,
    reasons: &'static [Option<&'static str>],
    action: &'static str,
}

const TABLE: &[Row] = &[
    Row { state: "connecting", connected: false, reasons: &[None], action: "none" },
    Row {
        state: "not_connected",
        connected: false,
        reasons: &[
            None,
            Some("user_disconnected"),
            Some("denied"),
            Some("attempt_expired"),
            Some("attempt_failed"),
            Some("account_moved"),
        ],
        action: "connect",
    },
    Row {
        state: "not_connected",
        connected: false,
        reasons: &[Some("account_not_admitted")],
        action: "contact_support",
    },
    Row { state: "connected", connected: true, reasons: &[None], action: "none" },
    Row { state: "connected", connected: true, reasons: &[Some("scopes_missing")], action: "reconnect" },
    Row {
        state: "degraded",
        connected: true,
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
        connected: false,
        reasons: &[Some("checkpoint"), Some("unconfirmed"), Some("restricted"), Some("consent_blocked")],
        action: "fix_at_instagram",
    },
    Row {
        state: "reconnect_required",
        connected: false,
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
        connected: false,
        reasons: &[Some("not_configured")],
        action: "contact_support",
    },
];

/// Holds a status against the table.
pub fn in_contract(status: &Value) {
    let is_row = |row: &Row| {
        status["state"] == row.state
            && status["action"] == row.action
            && status["connected"] == row.connected
            && row.reasons.iter().any(|reason| status["reason"] == json!(reason))
    };
    assert!(TABLE.iter().any(is_row), "{status}");
    let lacks = status["missing_scopes"].as_array().is_some_and(|missing| !missing.is_empty());
    assert!(lacks || status["reason"] != "scopes_missing", "by name or not at all: {status}");
    let attempt = &status["attempt"];
    assert!(attempt.is_null() || attempt["id"].is_string() && attempt["expires_at"].is_string(), "{status}");
    if status["state"] == "connecting" {
        assert!(!attempt.is_null() && status["account"].is_null(), "{status}");
    }
    // That an attempt waits for Instagram is told beside a state that has no reasons.
    let waits = status["state"] == "connecting" && status["error"].is_string();
    assert!(waits || status["state"] != "connecting" || status["retry_after"].is_null(), "{status}");
    let is_wrong = status["connected"] == false
        && status["reason"].as_str().is_some_and(|reason| reason != "user_disconnected");
    assert_eq!(
        status["error"].is_string(),
        is_wrong || waits,
        "for clients that read only `connected` and `error`: {status}"
    );
}

/// State, reason and action; the whole is held against the contract.
pub fn told(status: &Value) -> (&str, Option<&str>, &str) {
    in_contract(status);
    let word = |name: &str| status[name].as_str();
    (word("state").unwrap(), word("reason"), word("action").unwrap())
}
