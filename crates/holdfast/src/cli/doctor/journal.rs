//! Where tokens wait that arrive while the database is away.

use super::report::{Check, Report};
use crate::connections::journal::Spill;
use crate::settings::Settings;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    const NAME: &str = "spill directory";
    let spill = Spill::new(settings.spill_directory.clone());
    let shown = spill.directory().display();
    if let Err(error) = spill.probe() {
        let what = format!("{shown} cannot be written ({error}): nothing can be refreshed or connected");
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
                format!("{} tokens wait in {shown} for the database", waiting.len()),
                "the server stores them within a minute; if they stay, its log says why",
            ),
            Err(error) => {
                Check::failed(NAME, format!("{shown} cannot be read ({error})"), "see its permissions")
            }
        });
    }
}
