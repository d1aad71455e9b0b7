//! `doctor`: numbered checks of this installation, each with what would mend it. Changes nothing.
//!
//! Slow checks run side by side and are given up together after [`PATIENCE`], whatever hangs.

mod answered;
mod backlog;
mod clerk;
pub mod code;
mod configuration;
mod database;
mod instagram;
mod machine;
mod public;
mod report;
mod running;
mod sealed;

use std::time::Duration;

use super::args::DoctorArgs;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use super::serve::seams;
use crate::app::Seams;
use crate::clock;
use crate::settings::Settings;
use crate::store::Store;
use code::Code;
use configuration::Read;
use report::Report;

/// Time for all slow checks together; the promise is 15 seconds for the whole command.
const PATIENCE: Duration = Duration::from_secs(12);

/// What fails of the checks of the key ring, each with its remedy.
pub(super) async fn key_ring_faults(context: &Context, settings: &Settings, store: &Store) -> Vec<String> {
    let mut report = Report::default();
    if let Err(unanswered) = database::check_key_ring(context, settings, store, true, &mut report).await {
        report.add(answered::unanswered(store, unanswered.0).await);
    }
    report.faults()
}

/// Runs every check that can be run.
pub async fn run(context: &Context, args: &DoctorArgs, printer: &mut Printer) -> Outcome {
    if let Some(name) = &args.explain {
        let Some(page) = code::page(name) else {
            return Err(Failure::no(format!("there is no check {name}")));
        };
        printer.line(page.trim_end());
        return Ok(ExitStatus::Success);
    }
    let mut report = Report::default();
    if let Some(Read { settings, is_complete }) = configuration::check(context, &mut report)? {
        let seams = seams(context)?;
        let is_running = machine::check(&settings, &seams, &mut report).await;
        let can_listen = !report.finds_fault_with(code::LISTEN);
        let is_disk_full = report.finds_fault_with(code::DISK);
        let database = within(context, code::DATABASE, async |report| {
            database::check(context, &settings, is_running, is_disk_full, report).await;
        });
        if args.offline {
            report.append(database.await);
        } else {
            let (database, running, clerk, instagram, public) = tokio::join!(
                database,
                clock::within(PATIENCE, &*context.clock, running::check(&settings, &seams)),
                within(context, code::CLERK_KEYS, async |report| {
                    clerk::check(&settings.clerk, &seams, report).await;
                }),
                within(context, code::INSTAGRAM_GRAPH, async |report| {
                    instagram::check(&settings, &seams, report).await;
                }),
                within(context, code::PUBLIC_URL, async |report| {
                    public::check(&settings, &seams, is_running, can_listen, report).await;
                }),
            );
            let (running, troubles) = running.unwrap_or_default();
            for part in [database, running, clerk, instagram, public] {
                report.append(part);
            }
            running::add_unseen(troubles, &mut report);
        }
        // Settings left out as faulty would otherwise be reported a second time, as missing.
        if is_complete {
            clerk::check_settings(&settings, &mut report);
            instagram::check_settings(&settings, seams.clock.now(), &mut report);
        }
    }
    let report = report.in_order();
    report.print(args.json, args.offline, printer);
    Ok(report.exit())
}

/// One part of the checks. Where it hangs, what it has found until then, and a failed `code`.
async fn within(context: &Context, code: Code, checks: impl AsyncFnOnce(&mut Report)) -> Report {
    let mut report = Report::default();
    if clock::within(PATIENCE, &*context.clock, checks(&mut report)).await.is_none() {
        report.add(code.failed(format!("no answer within {} s", PATIENCE.as_secs())));
    }
    report
}

/// A request through the seams, with a short time limit.
async fn ask(
    seams: &Seams,
    mut request: crate::transport::Outgoing,
) -> Result<crate::transport::Answer, crate::transport::TransportError> {
    request.timeout = Duration::from_secs(5);
    seams.transport.send(request).await
}
