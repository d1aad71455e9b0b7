//! `--lines`: one token a line in, one JSON object a line out, in order and at once.

use std::io::BufRead;

use super::super::exit::{ExitStatus, Outcome};
use super::super::printer::Printer;
use super::{Judge, as_json, exit_of, input, unreadable};

/// Judges every line. The exit code is the worst of all: 2 before 1 before 0.
pub(super) fn run(judge: &Judge<'_>, mut reader: impl BufRead, printer: &mut Printer) -> Outcome {
    let mut worst = ExitStatus::Success;
    while let Some(input) = input::line(&mut reader).map_err(|error| unreadable(&error))? {
        let explanation = judge.explain(&input);
        printer.json(&as_json(judge, &explanation, &input));
        worst = worst.max(exit_of(explanation.verdict));
    }
    Ok(worst)
}
