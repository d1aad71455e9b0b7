//! `config check` and `config print`.

use serde_json::json;

use super::args::{ConfigCommand, JsonArg};
use super::context::Context;
use super::exit::{ExitStatus, Outcome};
use super::printer::{Printer, Tone};
use crate::settings::{self, Purpose};

/// Runs one of the commands.
pub fn run(context: &Context, command: &ConfigCommand, printer: &mut Printer) -> Outcome {
    match command {
        ConfigCommand::Check => check(context, printer),
        ConfigCommand::Print(JsonArg { json }) => print(context, *json, printer),
    }
}

fn check(context: &Context, printer: &mut Printer) -> Outcome {
    let settings = context.settings_for(Purpose::Serve, printer)?;
    let warnings = settings.warnings.len();
    printer.line(match warnings {
        0 => "The configuration is good.".to_owned(),
        1 => "The configuration is usable; there is 1 warning.".to_owned(),
        _ => format!("The configuration is usable; there are {warnings} warnings."),
    });
    Ok(ExitStatus::Success)
}

/// Settings that could not be read end it like any other command, after all others are printed.
fn print(context: &Context, json: bool, printer: &mut Printer) -> Outcome {
    let (shown, faults) = settings::shown(&context.environment, context.file()?.as_ref());
    let ending = if faults.0.is_empty() { Ok(ExitStatus::Success) } else { Err(context.faulty(&faults)) };
    if json {
        let list: Vec<_> = shown
            .iter()
            .map(|each| json!({"name": each.name, "value": each.value, "origin": each.origin.to_string()}))
            .collect();
        printer.pretty_json(&json!(list));
        return ending;
    }
    let width = shown.iter().map(|each| each.name.len()).max().unwrap_or_default();
    for each in shown {
        let name = printer.tone(Tone::Bold, &format!("{:width$}", each.name));
        let origin = printer.tone(Tone::Faint, &format!("[{}]", each.origin));
        printer.line(format!("{name} = {} {origin}", each.value));
    }
    ending
}
