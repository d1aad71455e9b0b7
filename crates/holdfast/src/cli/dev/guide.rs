//! What `dev` prints: where to look, and lines that work whenever they are pasted.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::super::printer::{Printer, Tone};
use super::Webhook;
use super::pages::Places;
use crate::standin::clerk::Person;

/// What the lines are to show.
pub(super) struct Credentials<'a> {
    /// A session of Ada's at the stand-in for Clerk; it gives fresh tokens for as long as this
    /// process lives.
    pub(super) session: &'a str,
    /// For the app's own backend.
    pub(super) service_key: &'a SecretString,
    /// `--webhook`.
    pub(super) webhook: Option<&'a Webhook>,
}

/// Prints it.
pub(super) fn print(
    places: &Places,
    credentials: &Credentials<'_>,
    data: &Path,
    temporary: bool,
    printer: &mut Printer,
) {
    let origin = |url: &url::Url| url.origin().ascii_serialization();
    let (here, clerk, instagram) = (origin(&places.server), origin(&places.clerk), origin(&places.instagram));
    let kept = if temporary { "gone when this ends; keep it with --data DIR" } else { "kept" };
    printer.line(format!(
        "{}  {}",
        printer.tone(Tone::Bold, "Holdfast is running. Open"),
        printer.tone(Tone::Hint, &format!("{here}/"))
    ));
    printer.line("");
    printer.line(format!("  the API               {here}/docs"));
    printer.line(format!("  stand-in, Clerk       {clerk}"));
    printer.line(format!("  stand-in, Instagram   {instagram}"));
    printer.line(format!("  data                  {} ({kept})", data.display()));
    printer.line("");
    printer.line(printer.tone(
        Tone::Bold,
        "As Ada, from another terminal (a session token lives 60 s, so the first line may be repeated):",
    ));
    printer.line("");
    for line in commands(&here, &clerk, credentials.session) {
        printer.line(line);
    }
    printer.line("");
    printer.line(printer.tone(Tone::Bold, "As your app's own backend, with a service key of this run:"));
    printer.line("");
    for line in backend_commands(&here, credentials.service_key) {
        printer.line(line);
    }
    if let Some(Webhook { url, secret }) = credentials.webhook {
        printer.line("");
        printer.line(format!("Events go to {url}, signed with {}", secret.expose_secret()));
    }
    printer.line("");
    printer.line("Stop with Ctrl-C.");
}

fn backend_commands(here: &str, key: &SecretString) -> Vec<String> {
    let ada = Person::Ada.user_id();
    let call = |rest: &str| format!("curl -s -H \"Authorization: Bearer $KEY\" {rest}");
    vec![
        format!("KEY={}", key.expose_secret()),
        call(&format!("{here}/service/connections")),
        call(&format!("{here}/service/users/{ada}/instagram/status")),
        call(&format!("-X POST {here}/service/users/{ada}/instagram/token")),
    ]
}

fn commands(here: &str, clerk: &str, session: &str) -> Vec<String> {
    let call = |rest: &str| format!("curl -s -H \"Authorization: Bearer $TOKEN\" {rest}");
    vec![
        format!(
            "TOKEN=$(curl -s -X POST -H 'Origin: {here}' {clerk}/v1/client/sessions/{session}/tokens \
             | sed 's/.*\"jwt\" *: *\"\\([^\"]*\\)\".*/\\1/')"
        ),
        call(&format!("-X POST {here}/auth/sync")),
        call(&format!("{here}/user/profile")),
        call(&format!("{here}/user/instagram/status")),
        call(&format!(
            "-X POST -H 'Content-Type: application/json' -d '{{\"return_to\": \"{here}/\"}}' {here}/user/instagram/connect"
        )),
        format!("curl -s -i {here}/user/instagram/status"),
    ]
}
