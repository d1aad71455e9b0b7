//! What the checks found, for people and for programs.

use serde_json::json;

use super::super::exit::ExitStatus;
use super::super::printer::{Printer, Tone};
use super::code::{CODES, Code};
use crate::counted::counted;
use crate::names::names;
use crate::transport::TransportError;

names! {
    /// How one check ended.
    pub(super) enum Grade {
        /// As it should be.
        Passed = "ok",
        /// Works, but worth a look.
        Warning = "warning",
        /// Could not be checked, or does not apply.
        Skipped = "skipped",
        /// Broken.
        Failed = "FAILED",
    }
}

impl Grade {
    fn tone(self) -> Tone {
        match self {
            Self::Passed => Tone::Good,
            Self::Warning => Tone::Caution,
            Self::Skipped => Tone::Faint,
            Self::Failed => Tone::Bad,
        }
    }
}

/// One check with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    code: Code,
    grade: Grade,
    detail: String,
    remedy: Option<String>,
    /// Whether `serve` may fail for what could not be checked.
    leaves_open: bool,
}

impl Code {
    fn check(self, grade: Grade, detail: impl Into<String>) -> Check {
        let remedy = match grade {
            Grade::Warning | Grade::Failed => Some(self.remedy.to_owned()),
            Grade::Passed | Grade::Skipped => None,
        };
        Check { code: self, grade, detail: detail.into(), remedy, leaves_open: false }
    }

    pub(super) fn passed(self, detail: impl Into<String>) -> Check {
        self.check(Grade::Passed, detail)
    }

    pub(super) fn skipped(self, why: impl Into<String>) -> Check {
        self.check(Grade::Skipped, why)
    }

    /// Skipped because whoever had to be asked gave no answer that tells.
    pub(super) fn not_told(self, why: impl Into<String>) -> Check {
        Check { leaves_open: true, ..self.skipped(why) }
    }

    /// With the code's own remedy, as a failed check has it.
    pub(super) fn warning(self, what: impl Into<String>) -> Check {
        self.check(Grade::Warning, what)
    }

    pub(super) fn failed(self, what: impl Into<String>) -> Check {
        self.check(Grade::Failed, what)
    }
}

impl Check {
    /// With the remedy for a certificate, where that is why there was no answer.
    pub(super) fn because_of(self, error: TransportError) -> Self {
        match error.help() {
            Some(help) if matches!(error, TransportError::Certificate(_)) => self.mended_by(help),
            _ => self,
        }
    }

    /// With a remedy that is more to the point.
    pub(super) fn mended_by(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub(super) fn append(&mut self, other: Self) {
        self.checks.extend(other.checks);
    }

    /// Whether a check of that code failed, or warns.
    pub(super) fn finds_fault_with(&self, code: Code) -> bool {
        self.fails(code) || self.has(code, Grade::Warning)
    }

    /// Whether a check of that code failed.
    pub(super) fn fails(&self, code: Code) -> bool {
        self.has(code, Grade::Failed)
    }

    fn has(&self, code: Code, grade: Grade) -> bool {
        self.checks.iter().any(|check| check.code == code && check.grade == grade)
    }

    /// What failed, each with its remedy.
    pub(super) fn faults(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| check.grade == Grade::Failed);
        let told = |check: &Check| match &check.remedy {
            Some(remedy) => format!("{} → {remedy}", check.detail),
            None => check.detail.clone(),
        };
        failed.map(told).collect()
    }

    /// In the order of the codes, whichever was done first.
    pub(super) fn in_order(mut self) -> Self {
        self.checks.sort_by_key(|check| CODES.iter().position(|code| *code == check.code));
        self
    }

    fn count(&self, grade: Grade) -> usize {
        self.checks.iter().filter(|check| check.grade == grade).count()
    }

    pub(super) fn exit(&self) -> ExitStatus {
        if self.count(Grade::Failed) == 0 { ExitStatus::Success } else { ExitStatus::Failure }
    }

    /// "Nothing is broken" is said only where everything that `serve` depends on was asked, and told.
    fn summary(&self, offline: bool) -> String {
        let open: Vec<&str> =
            self.checks.iter().filter(|check| check.leaves_open).map(|check| check.code.name).collect();
        match (self.count(Grade::Failed), offline) {
            (0, false) if open.is_empty() => "Nothing is broken.".to_owned(),
            (0, false) => {
                format!("Nothing that could be checked is broken. Not checked: {}.", open.join(", "))
            }
            (0, true) => {
                "No local check failed. Clerk, Instagram and the public address were not asked; leave out --offline to ask them."
                    .to_owned()
            }
            (failed, _) => counted(failed as u64, "check failed.", "checks failed."),
        }
    }

    pub(super) fn print(&self, json: bool, offline: bool, printer: &mut Printer) {
        if json {
            let checks: Vec<_> = self
                .checks
                .iter()
                .enumerate()
                .map(|(index, check)| {
                    json!({"number": index + 1, "code": check.code.name, "check": check.code.title,
                           "result": check.grade.as_str().to_lowercase(), "detail": check.detail,
                           "remedy": check.remedy})
                })
                .collect();
            let ok = self.count(Grade::Failed) == 0;
            printer.pretty_json(&json!({"ok": ok, "offline": offline, "checks": checks}));
            return;
        }
        for (index, check) in self.checks.iter().enumerate() {
            let grade = printer.tone(check.grade.tone(), &format!("{:7}", check.grade.as_str()));
            printer.line(format!("{:2} {grade}  {}: {}", index + 1, check.code.name, check.detail));
            if let Some(remedy) = &check.remedy {
                printer.line(format!("            {} {remedy}", printer.tone(Tone::Hint, "→")));
            }
        }
        printer.line("");
        printer.line(self.summary(offline));
    }
}
