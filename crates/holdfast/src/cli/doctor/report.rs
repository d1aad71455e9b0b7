//! What the checks found, for people and for programs.

use serde_json::json;

use super::super::exit::ExitStatus;
use super::super::printer::{Printer, Tone};

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// As it should be.
    Passed,
    /// Works, but worth a look.
    Warning,
    /// Could not be checked, or does not apply.
    Skipped,
    /// Broken.
    Failed,
}

impl Grade {
    fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Warning => "warning",
            Self::Skipped => "skipped",
            Self::Failed => "FAILED",
        }
    }

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
    name: &'static str,
    grade: Grade,
    detail: String,
    remedy: Option<String>,
}

impl Check {
    pub(super) fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, grade: Grade::Passed, detail: detail.into(), remedy: None }
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, grade: Grade::Skipped, detail: why.into(), remedy: None }
    }

    pub(super) fn warning(name: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, grade: Grade::Warning, detail: what.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn failed(name: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, grade: Grade::Failed, detail: what.into(), remedy: Some(remedy.into()) }
    }
}

/// All checks, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.grade == Grade::Failed).count()
    }

    pub(super) fn exit(&self) -> ExitStatus {
        if self.failed() == 0 { ExitStatus::Success } else { ExitStatus::Failure }
    }

    pub(super) fn print(&self, json: bool, printer: &mut Printer) {
        if json {
            let checks: Vec<_> = self
                .checks
                .iter()
                .enumerate()
                .map(|(index, check)| {
                    json!({"number": index + 1, "check": check.name, "result": check.grade.as_str().to_lowercase(),
                           "detail": check.detail, "remedy": check.remedy})
                })
                .collect();
            printer.pretty_json(&json!({"ok": self.failed() == 0, "checks": checks}));
            return;
        }
        for (index, check) in self.checks.iter().enumerate() {
            let grade = printer.tone(check.grade.tone(), &format!("{:7}", check.grade.as_str()));
            printer.line(format!("{:2} {grade}  {}: {}", index + 1, check.name, check.detail));
            if let Some(remedy) = &check.remedy {
                printer.line(format!("            {} {remedy}", printer.tone(Tone::Hint, "→")));
            }
        }
        let summary = match self.failed() {
            0 => "Nothing is broken.".to_owned(),
            1 => "1 check failed.".to_owned(),
            failed => format!("{failed} checks failed."),
        };
        printer.line("");
        printer.line(summary);
    }
}
