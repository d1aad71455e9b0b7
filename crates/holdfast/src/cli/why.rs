//! `why`: from a request id to cause and remedy.

mod input;
mod log;

use std::io::{self, BufReader, IsTerminal as _};
use std::time::Duration;

use ::http::Method;
use serde_json::json;
use url::Url;

use self::input::Patient;
use self::log::from_log;
use super::args::WhyArgs;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::{Printer, Tone};
use super::serve::seams;
use crate::caller::service;
use crate::http::memory::Recalled;
use crate::http::problem::ProblemCode;
use crate::transport::{Outgoing, Transport};

/// Time for a replica to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// For the next part of the log. Cron, CI and `ssh` may leave standard input open and silent.
const SILENCE: Duration = Duration::from_secs(15);

/// Runs the command.
pub async fn run(context: &Context, args: &WhyArgs, printer: &mut Printer) -> Outcome {
    if args.request_id.starts_with("eyJ") || args.request_id.starts_with(service::PREFIX) {
        return Err(Failure::setup(
            "a token or a key is no request id",
            "take the id from the answer's `x-request-id`; `holdfast token explain` takes a token on standard input",
        ));
    }
    let addresses = addresses(context, args, printer)?;
    let transport = &*seams(context)?.transport;
    let mut silent = Vec::new();
    for address in &addresses {
        match ask(transport, address, &args.request_id).await {
            Ok(Some(one)) => return Ok(tell(&one, args.json, printer)),
            Ok(None) => {}
            // Without a name and a password that may be in it.
            Err(why) => silent.push(format!("{} ({why})", address.origin().ascii_serialization())),
        }
    }
    let mut was_silent = false;
    if !io::stdin().is_terminal() {
        let mut input = Patient::of(io::stdin(), SILENCE).map_err(|error| {
            Failure::setup(format!("no thread can be started: {error}"), "see `ulimit -u`")
        })?;
        let found = from_log(BufReader::new(&mut input), &args.request_id).map_err(|error| {
            Failure::setup(format!("standard input cannot be read: {error}"), "give it the server's log")
        })?;
        if let Some(one) = found {
            return Ok(tell(&one, args.json, printer));
        }
        was_silent = input.was_silent;
    }
    Err(unknown(&args.request_id, addresses.is_empty(), &silent, was_silent))
}

fn unknown(request_id: &str, is_nobody_asked: bool, silent: &[String], was_silent: bool) -> Failure {
    let read = format!("read the log: holdfast why {request_id} < LOG");
    let log = if was_silent {
        let seconds = SILENCE.as_secs();
        format!("{read} (standard input was left open, and gave nothing more for {seconds} s)")
    } else {
        read
    };
    let remedy = if is_nobody_asked {
        format!("set HOLDFAST_METRICS_LISTEN, so that the server can be asked; or {log}")
    } else if silent.is_empty() {
        format!(
            "each process remembers its last 10,000 refused or failed requests, until it ends: ask other replicas with \
             --from, or {log}"
        )
    } else {
        format!("these did not tell, ask them again: {}; or {log}", silent.join(", "))
    };
    Failure::no(format!("nothing is known about a refused or failed request {request_id}")).mended_by(remedy)
}

/// The named addresses, else the configured one.
fn addresses(context: &Context, args: &WhyArgs, printer: &mut Printer) -> Result<Vec<Url>, Failure> {
    if !args.from.is_empty() {
        return Ok(args.from.clone());
    }
    let settings = context.settings(printer)?;
    let Some(address) = settings.metrics_listen.map(super::health::reachable) else { return Ok(Vec::new()) };
    // An address always makes an address.
    Ok(Url::parse(&format!("http://{address}/")).into_iter().collect())
}

async fn ask(transport: &dyn Transport, address: &Url, request_id: &str) -> Result<Option<Recalled>, String> {
    let mut url = address.clone();
    url.path_segments_mut()
        .map_err(|()| "is not an address".to_owned())?
        .pop_if_empty()
        .extend(["why", request_id]);
    let mut request = Outgoing::new(Method::GET, url);
    request.timeout = PATIENCE;
    let answer = transport.send(request).await.map_err(|error| error.to_string())?;
    match answer.status.as_u16() {
        404 if answer.body.is_empty() => Ok(None),
        404 => Err("that is no metrics listener of Holdfast".to_owned()),
        200 => serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|_| "its answer is not that of a metrics listener of Holdfast".to_owned()),
        503 => Err("is still starting: it opens its database, or migrates it".to_owned()),
        status => Err(format!("answered {status}")),
    }
}

fn tell(recalled: &Recalled, json: bool, printer: &mut Printer) -> ExitStatus {
    let one = &recalled.first;
    let entry = ProblemCode::parse(&one.code).map(ProblemCode::entry);
    if json {
        let (meaning, causes, remedy) =
            entry.map_or(("", &[][..], ""), |entry| (entry.meaning, one.guesses(entry.causes), entry.remedy));
        let remedy = one.remedy(remedy);
        printer.pretty_json(
            &json!({"request": recalled, "meaning": meaning, "causes": causes, "remedy": remedy}),
        );
        return ExitStatus::Success;
    }
    let title = printer.tone(Tone::Bold, &format!("{} {}", one.status, one.code));
    // A request that could not be read has no method.
    let asked = format!("{} {}", one.method, one.route);
    printer.line(format!("{title}  {}, {}", asked.trim(), one.at));
    if let Some(warning) = recalled.warning() {
        printer.line(format!("  note    {warning}"));
    }
    if !one.detail.is_empty() {
        printer.line(format!("  told    {}", one.detail));
    } else if let Some(entry) = entry {
        // The log does not repeat what the caller was told.
        printer.line(format!("  means   {}", entry.meaning));
    }
    if let Some(judgement) = &one.judgement {
        printer.line(format!("  step    {}", judgement.step));
        printer.line(format!("  found   {}", judgement.found));
        printer.line(format!("  token   {}", judgement.fingerprint.as_deref().unwrap_or("none was sent")));
    }
    if let Some(user) = one.user() {
        printer.line(format!("  user    {user}{}", one.doubt()));
    }
    if let Some(entry) = entry {
        for cause in one.cause.as_deref().iter().chain(one.guesses(entry.causes)) {
            printer.line(format!("  cause   {cause}"));
        }
        printer.line(format!("{} {}", printer.tone(Tone::Hint, "  mend   "), one.remedy(entry.remedy)));
    }
    ExitStatus::Success
}
