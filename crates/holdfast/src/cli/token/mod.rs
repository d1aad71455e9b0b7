//! `token explain`: the verifier of the server, watched, on tokens from standard input. No token is
//! ever printed.

mod input;
mod keys;
mod lines;

use std::io::{self, BufReader};

use clerk_session::{
    CannotJudge, ExplainedStep, Explanation, KeySet, StepOutcome, VerdictWord, Verifier, explain,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::ExplainArgs;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::instant;
use super::printer::{Printer, Tone};
use crate::app;
use crate::settings::remedy_text;
use input::Input;

/// What one run judges by: a policy, a set of keys, and a fixed instant or the current time.
struct Judge<'a> {
    context: &'a Context,
    verifier: Verifier,
    keys: Result<KeySet, CannotJudge>,
    at: Option<Timestamp>,
}

impl Judge<'_> {
    fn remedy(&self, explanation: &Explanation) -> Option<String> {
        explanation.remedy.as_ref().map(|remedy| remedy_text(remedy, self.at.is_some()))
    }

    fn explain(&self, input: &Input) -> Explanation {
        let now = self.at.unwrap_or_else(|| self.context.clock.now());
        explain(&self.verifier, &input.token, self.keys.as_ref(), now.as_millisecond())
    }
}

/// Runs the command.
pub async fn run(context: &Context, args: &ExplainArgs, printer: &mut Printer) -> Outcome {
    let at = args.at.as_deref().map(time).transpose()?;
    let settings = context.settings(printer)?;
    let keys = keys::load(args, &settings.clerk, printer).await?;
    let verifier = Verifier::new(app::policy(&settings.clerk));
    let judge = Judge { context, verifier, keys, at };
    let stdin = io::stdin().lock();
    if args.lines {
        return lines::run(&judge, BufReader::new(stdin), printer);
    }
    let input = input::whole(stdin).map_err(|error| unreadable(&error))?;
    let explanation = judge.explain(&input);
    if args.json {
        printer.pretty_json(&as_json(&judge, &explanation, &input));
    } else {
        show(&judge, &explanation, &input, printer);
    }
    Ok(exit_of(explanation.verdict))
}

fn time(text: &str) -> Result<Timestamp, Failure> {
    instant::parse(text).ok_or_else(|| {
        Failure::setup(
            format!("`{text}` is not a time"),
            "write 2026-11-23T12:00:00Z, or seconds since 1970 such as 1795435200",
        )
    })
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::setup(format!("standard input cannot be read: {error}"), "pipe the token into this command")
}

fn exit_of(verdict: VerdictWord) -> ExitStatus {
    match verdict {
        VerdictWord::Accepted => ExitStatus::Success,
        VerdictWord::Refused => ExitStatus::Failure,
        VerdictWord::CannotJudge => ExitStatus::Usage,
    }
}

fn as_json(judge: &Judge<'_>, explanation: &Explanation, input: &Input) -> Value {
    let mut object = json!(explanation);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("remedy".to_owned(), judge.remedy(explanation).into());
        if let Some(note) = &input.note {
            fields.insert("note".to_owned(), note.as_str().into());
        }
    }
    object
}

fn show(judge: &Judge<'_>, explanation: &Explanation, input: &Input, printer: &mut Printer) {
    if let Some(note) = &input.note {
        printer.remark(format!("note: {note}"));
    }
    for ExplainedStep { step, outcome, detail, .. } in &explanation.steps {
        let (word, tone) = match outcome {
            StepOutcome::Passed => ("ok", Tone::Good),
            StepOutcome::Failed => ("FAILED", Tone::Bad),
            StepOutcome::Skipped => ("skipped", Tone::Faint),
            StepOutcome::NotReached => ("not reached", Tone::Faint),
        };
        let word = printer.tone(tone, &format!("{word:11}"));
        printer.line(format!("{word}  {step:12}  {detail}").trim_end());
    }
    printer.line("");
    let (word, tone) = match explanation.verdict {
        VerdictWord::Accepted => ("accepted", Tone::Good),
        VerdictWord::Refused => ("REFUSED", Tone::Bad),
        VerdictWord::CannotJudge => ("CANNOT JUDGE", Tone::Caution),
    };
    let code = explanation.code.map_or(String::new(), |code| format!(" {code}"));
    printer.line(format!("{}{code}: {}", printer.tone(tone, word), explanation.detail));
    if let Some(remedy) = judge.remedy(explanation) {
        printer.line(format!("{} {remedy}", printer.tone(Tone::Hint, "→")));
    }
}
