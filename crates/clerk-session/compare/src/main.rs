//! Verdicts of several verifiers over the corpus of the tests, as the Markdown of `COMPARE.md`. Run
//! by `compare.sh`, which compiles the present time in: some verifiers read the system's clock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

use clerk_session::Verdict;
use serde_json::{Value, json};

#[path = "../../tests/it/corpus.rs"]
mod corpus;
mod others;
#[allow(dead_code)]
#[path = "../../tests/it/support.rs"]
mod support;

use corpus::Row;
use support::*;

/// Whether a verifier accepts a token.
type Judge = Box<dyn Fn(&str) -> bool>;

struct Verifier {
    name: &'static str,
    keys_away: &'static str,
    accepts: Vec<bool>,
    panics: usize,
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let rows: Vec<Row> =
        corpus::good().into_iter().chain(corpus::refused()).chain(corpus::stricter()).collect();
    let mut verifiers = vec![
        judged("clerk-session", "cannot judge: 503", &rows, ours()),
        judged("clerk-rs 0.5 `validate_jwt`", others::clerk_rs_without_keys(), &rows, others::clerk_rs()),
        judged(
            "jsonwebtoken 10, `Validation::new(RS256)`",
            "has no key fetching",
            &rows,
            others::jsonwebtoken(),
        ),
        judged(
            "jsonwebtoken 10, set up with care",
            "has no key fetching",
            &rows,
            others::careful_jsonwebtoken(),
        ),
        judged("jwt-simple 0.12, `RS256PublicKey`", "has no key fetching", &rows, others::jwt_simple()),
    ];
    verifiers.extend(clerk_backend(&rows));
    print!("{}", report(&rows, &verifiers));
}

fn judged(name: &'static str, keys_away: &'static str, rows: &[Row], judge: Judge) -> Verifier {
    let mut panics = 0;
    let accepts = rows
        .iter()
        .map(|row| {
            catch_unwind(AssertUnwindSafe(|| judge(&row.token))).unwrap_or_else(|_| {
                panics += 1;
                false
            })
        })
        .collect();
    Verifier { name, keys_away, accepts, panics }
}

fn ours() -> Judge {
    let (verifier, keys) = (clerk_session::Verifier::new(policy()), keys());
    Box::new(move |token| matches!(verifier.verify(token, &keys, NOW), Verdict::Accepted(_)))
}

/// Both entrances of the SDK, through the script of the differential test.
fn clerk_backend(rows: &[Row]) -> Vec<Verifier> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/differential/oracle.mjs");
    let setting = json!({
        "pinned": false, "jwks": {"keys": [OURS.jwk(KID)]}, "issuer": ISSUER, "parties": [APP],
        "audience": null, "skew": 5000,
    });
    let mut input = json!({"pem": OURS.spki_pem(), "policies": [setting]}).to_string() + "\n";
    for row in rows {
        let _ = writeln!(input, "{}", json!({"now": NOW, "policy": 0, "token": row.token}));
    }
    let mut node = Command::new("node")
        .args([script, "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut stdin = node.stdin.take().expect("it is piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = node.wait_with_output().expect("node ends");
    writer.join().expect("no panic").expect("node reads");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .expect("it is UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    assert_eq!(answers.len(), rows.len(), "node: {}", output.status);
    [
        ("@clerk/backend 3.25 `verifyToken`", "verifyToken"),
        ("@clerk/backend 3.25 `authenticateRequest`", "authenticateRequest"),
    ]
    .map(|(name, member)| Verifier {
        name,
        keys_away: "throws after 5 tries, 2.7 to 3.6 s",
        accepts: answers.iter().map(|answer| answer[member] == "accepted").collect(),
        panics: answers
            .iter()
            .filter(|answer| answer[member].as_str().is_some_and(|said| said.starts_with("threw:")))
            .count(),
    })
    .into()
}

fn report(rows: &[Row], verifiers: &[Verifier]) -> String {
    let good = rows.iter().filter(|row| row.expected == "accepted").count();
    let mut text = format!(
        "# Beside other verifiers\n\n\
         Made by `compare/compare.sh` from the corpus of the tests (`tests/it/corpus.rs`): {good} tokens that a\n\
         session verifier must accept, {} that it must refuse. The same issuer, party and key for all, as far\n\
         as a verifier can be told of them. A crash counts as refused, and is counted.\n\n\
         | verifier | accepted that must not be | refused that must not be | crashes | keys away |\n|---|---|---|---|---|\n",
        rows.len() - good
    );
    let mut named = BTreeMap::<&str, Vec<usize>>::new();
    for (at, verifier) in verifiers.iter().enumerate() {
        let wrong = |must: bool| {
            rows.iter()
                .zip(&verifier.accepts)
                .filter(move |(row, accepts)| (row.expected == "accepted") == must && **accepts != must)
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            verifier.name,
            wrong(false).count(),
            wrong(true).count(),
            verifier.panics,
            verifier.keys_away
        );
        for (row, _) in wrong(false).chain(wrong(true)) {
            named.entry(row.name).or_default().push(at);
        }
    }
    text += "\n## Which tokens\n\nA cross marks a wrong verdict.\n\n| token | must be |";
    for verifier in verifiers {
        let _ = write!(text, " {} |", verifier.name);
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(verifiers.len()));
    for row in rows {
        let Some(wrong) = named.get(row.name) else { continue };
        let must = if row.expected == "accepted" { "accepted" } else { "refused" };
        let _ = write!(text, "| {} | {must} |", row.name);
        for at in 0..verifiers.len() {
            text += if wrong.contains(&at) { " ✗ |" } else { "  |" };
        }
        text += "\n";
    }
    text + "\n\
        `verifyToken` is the SDK's function for a token alone; `authenticateRequest` is what its middlewares\n\
        use. Whatever either refuses, clerk-session refuses (`tests/differential.rs`, generated tokens).\n\
        \"keys away\": what a caller with a good token is told while Clerk's keys have never been had; for the\n\
        SDK as measured on 3.25.0.\n"
}
