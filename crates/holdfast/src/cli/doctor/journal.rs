//! Where new tokens are until the database has them.

use super::report::{Check, Report};
use crate::connections::journal::Journal;
use crate::settings::Settings;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    const NAME: &str = "journal";
    let shown = settings.journal_directory.display();
    let journal = Journal::in_directory(settings.journal_directory.clone());
    if let Err(error) = journal.probe() {
        report.add(Check::failed(
            NAME,
            format!(
                "{shown} cannot be written ({error}): a token that arrives while the database is away would be lost"
            ),
            "set HOLDFAST_JOURNAL_DIR to a directory that the server may write to",
        ));
    } else if !settings.journal_directory.exists() {
        report.add(Check::passed(NAME, format!("the first start makes {shown}")));
    } else {
        report.add(match journal.read() {
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
