//! What `dev` prints: where to look, and lines that work whenever they are pasted.

use std::path::Path;

use super::super::printer::{Printer, Tone};
use super::pages::Places;

/// Prints it. `session` is a session of Ada's at the stand-in for Clerk; it gives fresh tokens for as long as this process lives.
pub(super) fn print(places: &Places, session: &str, data: &Path, temporary: bool, printer: &mut Printer) {
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
    for line in commands(&here, &clerk, session) {
        printer.line(line);
    }
    printer.line("");
    printer.line("Stop with Ctrl-C.");
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
