//! Where grants wait that arrive while the database is away.

use super::report::{Check, Report};
use crate::connections::spill::Spill;
use crate::settings::Settings;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    const NAME: &str = "spill directory";
    let spill = Spill::new(settings.spill_directory.clone());
    let shown = spill.directory().display();
    if !settings.worker {
        report.add(Check::skipped(NAME, "HOLDFAST_WORKER is off: this process refreshes nothing"));
    } else if let Err(error) = spill.probe() {
        let what = format!("{shown} cannot be written ({error}): nothing can be refreshed");
        report.add(Check::failed(
            NAME,
            what,
            "set HOLDFAST_SPILL_DIR to a directory that the server may write to",
        ));
    } else if !spill.directory().exists() {
        report.add(Check::passed(NAME, format!("the first start makes {shown}")));
    } else {
        report.add(match spill.read() {
            Ok(waiting) if waiting.is_empty() => Check::passed(NAME, format!("{shown} can be written")),
            Ok(waiting) => Check::warning(
                NAME,
                format!("{} grants wait in {shown} for the database", waiting.len()),
                "the worker stores them within a minute; if they stay, its log says why",
            ),
            Err(error) => {
                Check::failed(NAME, format!("{shown} cannot be read ({error})"), "see its permissions")
            }
        });
    }
}
