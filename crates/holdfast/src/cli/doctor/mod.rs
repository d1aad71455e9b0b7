//! `doctor`: numbered checks of this installation, each with what would mend it. Changes nothing.

mod clerk;
mod database;
mod instagram;
mod journal;
mod report;

use super::context::Context;
use super::exit::Outcome;
use super::printer::Printer;
use crate::settings::{self, Purpose, Settings};
use crate::transport::ReqwestTransport;

use report::{Check, Report};

/// Runs every check that can be run.
pub async fn run(context: &Context, json: bool, printer: &mut Printer) -> Outcome {
    let mut report = Report::default();
    if let Some(settings) = configuration(context, &mut report)? {
        randomness(context, &mut report);
        database::check(context, &settings, &mut report).await;
        journal::check(&settings, &mut report);
        match ReqwestTransport::new() {
            Ok(transport) => clerk::check(context, &settings.clerk, &transport, &mut report).await,
            Err(error) => report.add(Check::failed(
                "outgoing requests",
                format!("TLS cannot be set up: {error}"),
                "install the system's root certificates (Debian: ca-certificates)",
            )),
        }
        clerk::check_parties(&settings, &mut report);
        clerk::check_webhook(&settings, &mut report);
        instagram::check(&settings, &mut report);
    }
    report.print(json, printer);
    Ok(report.exit())
}

/// The configuration as `serve` wants it. Where only that is incomplete, the checks go on with what there is.
fn configuration(context: &Context, report: &mut Report) -> Result<Option<Settings>, super::Failure> {
    let file = context.file()?;
    let faults = match settings::load(&context.environment, file.as_ref(), Purpose::Serve) {
        Ok(settings) => {
            let warnings = settings.warnings.len();
            report.add(Check::passed("configuration", format!("complete, {warnings} warnings")));
            for fault in &settings.warnings {
                report.add(Check::warning(
                    "configuration",
                    format!("{}: {}", fault.name, fault.what),
                    fault.remedy.clone(),
                ));
            }
            return Ok(Some(settings));
        }
        Err(faults) => faults,
    };
    for fault in faults.0 {
        report.add(Check::failed("configuration", format!("{}: {}", fault.name, fault.what), fault.remedy));
    }
    let readable = settings::load(&context.environment, file.as_ref(), Purpose::Tools).ok();
    if readable.is_none() {
        report.add(Check::skipped("everything else", "the configuration cannot be read"));
    }
    Ok(readable)
}

fn randomness(context: &Context, report: &mut Report) {
    report.add(match crate::entropy::random::<32>(&*context.entropy) {
        Ok(_) => Check::passed("randomness", "the system delivers random bytes"),
        Err(error) => Check::failed("randomness", error.to_string(), "see what ails the system"),
    });
}
