//! What a token's JOSE header (RFC 7515 §4) must say. It needs no key, and tells kinds of tokens
//! apart that are signed with the same one.

use serde_json::{Map, Value};

use crate::code::RefusalCode;
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::token::{Parts, quoted};

/// Header value of `cat` for session tokens.
const CATEGORY_SESSION: &str = "cl_B7d4PD111AAA";
/// Header value of `cat` that says nothing.
const CATEGORY_IGNORE: &str = "cl_I7d4PD111III";
const CATEGORY_TEMPLATE: &str = "cl_B7d4PD222AAA";
const CATEGORY_MACHINE: &str = "cl_B7d4PD333AAA";

/// The kind of token, as far as its unproven parts tell. Checked before the rest of the header,
/// because it names the real mistake.
pub(crate) fn kind(parts: &Parts<'_>) -> Result<(), Refusal> {
    let mismatch = |what: &str| {
        Err(Refusal::new(
            RefusalCode::TokenTypeMismatch,
            Step::Kind,
            format!("This is {what}, not a session token."),
            Remedy::DropTemplate,
        ))
    };
    let typ = parts.header.get("typ").and_then(Value::as_str).map(str::to_ascii_lowercase);
    if matches!(typ.as_deref(), Some("at+jwt" | "application/at+jwt")) {
        return mismatch("an OAuth access token");
    }
    match parts.header.get("cat") {
        None => {}
        Some(Value::String(cat)) if cat == CATEGORY_SESSION || cat == CATEGORY_IGNORE => {}
        Some(Value::String(cat)) if cat == CATEGORY_TEMPLATE => {
            return mismatch("a JWT template token");
        }
        Some(Value::String(cat)) if cat == CATEGORY_MACHINE => {
            return mismatch("a machine-to-machine token");
        }
        Some(other) => {
            return mismatch(&format!("a token of the unknown category {}", quoted(other)));
        }
    }
    match parts.payload.get("sub").and_then(Value::as_str) {
        Some(sub) if sub.starts_with("mch_") => mismatch("a machine-to-machine token"),
        _ => Ok(()),
    }
}

pub(crate) fn algorithm(header: &Map<String, Value>) -> Result<(), Refusal> {
    match header.get("alg") {
        Some(Value::String(alg)) if alg == "RS256" => Ok(()),
        found => {
            let found = found.map_or("missing".to_owned(), quoted);
            Err(Refusal::new(
                RefusalCode::TokenInvalidAlgorithm,
                Step::Algorithm,
                "The session token is not signed with RS256.",
                Remedy::DropTemplate,
            )
            .because(format!("`alg` is {found}, expected RS256")))
        }
    }
}

pub(crate) fn typ(header: &Map<String, Value>) -> Result<(), Refusal> {
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(typ)) if typ == "JWT" => Ok(()),
        Some(other) => Err(bad_header(Step::Type, format!("`typ` is {}, expected JWT", quoted(other)))),
    }
}

pub(crate) fn extensions(header: &Map<String, Value>) -> Result<(), Refusal> {
    // RFC 7515 §4.1.11: a critical extension that is not understood must be refused; none is
    // understood here. RFC 7516 §9: `enc` says that it is encrypted, not signed.
    for name in ["crit", "b64", "zip", "enc"] {
        if header.contains_key(name) {
            return Err(bad_header(
                Step::Extensions,
                format!("`{name}` changes how a token is to be read; no session token has it"),
            ));
        }
    }
    match header.get("kid") {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(bad_header(Step::Extensions, "`kid` is not a string".to_owned())),
    }
}

fn bad_header(step: Step, reasoning: String) -> Refusal {
    Refusal::new(
        RefusalCode::TokenInvalid,
        step,
        "The session token's header is not acceptable.",
        Remedy::SendToken,
    )
    .because(reasoning)
}
