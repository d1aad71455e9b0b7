//! The command line: parses, runs one command, ends with its exit code. All output goes through
//! [`printer`].

pub mod args;
mod audit;
mod config;
mod connections;
mod connections_act;
mod context;
mod database;
mod dev;
pub mod doctor;
mod exit;
mod health;
mod import;
mod instant;
mod keys;
mod long_lines;
pub mod printer;
mod secrets;
mod serve;
mod service_key;
mod token;
mod whose;
mod why;

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use exit::{ExitStatus, Failure, Outcome};

use args::{Cli, Command, TokenCommand};
use context::Context;
use printer::{Colour, Printer};

use crate::process::{FileHandles, LEAST_HANDLES};
use crate::settings::Environment;
use crate::telemetry::{self, FlushedAtEnd};

/// Time for threads that still work at the end.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// Runs the command line `arguments` (the program's name first) in `environment`.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitStatus {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let secrets = secrets::among(&arguments);
    let plain = clap::ColorChoice::Never;
    let parsed = Cli::command()
        .color(plain)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &secrets, &mut Printer::standard(Colour::NEVER)),
    };
    let mut printer = Printer::standard(Colour::detect(&environment, cli.no_color));
    let context = Context::new(environment, cli.config);
    // What it writes to standard error is its log.
    let serves = matches!(cli.command, Command::Serve);
    let outcome = execute(&context, cli.command, &mut printer);
    ended(outcome, &secrets, &mut printer, |sentence, remedy| {
        serves && context.logs_json() && telemetry::failed(sentence, remedy)
    })
}

/// The exit of a command, with what made it fail logged or else printed, but for secrets that were
/// its arguments.
fn ended(
    outcome: Outcome,
    secrets: &[String],
    printer: &mut Printer,
    logged: impl FnOnce(&str, Option<&str>) -> bool,
) -> ExitStatus {
    match outcome.and_then(|exit| written(printer).map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            let sentence = secrets::without(secrets, &failure.sentence);
            let remedy = failure.remedy.map(|remedy| secrets::without(secrets, &remedy));
            let hint = (sentence != failure.sentence).then_some(secrets::HINT);
            if !logged(&sentence, remedy.as_deref().or(hint)) {
                printer.error(&sentence, remedy.as_deref());
                if let Some(hint) = hint {
                    printer.remark(hint);
                }
            }
            failure.exit
        }
    }
}

/// A script must not take half an answer for the whole.
fn written(printer: &Printer) -> Result<(), Failure> {
    let failed = |error| {
        Failure::setup(format!("the answer could not be written: {error}"), "make room, and run it again")
    };
    printer.failed().map_or(Ok(()), |error| Err(failed(error)))
}

/// Help and version are answers; everything else from the parser is a usage error.
fn usage(error: &clap::Error, secrets: &[String], printer: &mut Printer) -> ExitStatus {
    let whole = error.render().to_string();
    if error.use_stderr() {
        let text = secrets::without(secrets, &whole);
        printer.remark(text.trim_end());
        if text != whole {
            printer.remark(secrets::HINT);
        }
        ExitStatus::Usage
    } else {
        printer.line(whole.trim_end());
        ended(Ok(ExitStatus::Success), secrets, printer, |_, _| false)
    }
}

fn execute(context: &Context, command: Command, printer: &mut Printer) -> Outcome {
    match command {
        Command::Health { ready } => wait(context, health::run(context, ready, printer)),
        Command::Why(args) => wait(context, why::run(context, &args, printer)),
        Command::Audit(command) => wait(context, audit::run(context, &command, printer)),
        Command::Config(command) => config::run(context, &command, printer),
        Command::Keys(command) => wait(context, keys::run(context, command, printer)),
        Command::ServiceKey(command) => wait(context, service_key::run(context, command, printer)),
        Command::Connections(command) => wait(context, connections::run(context, command, printer)),
        Command::Import(args) => wait(context, import::run(context, &args, printer)),
        Command::Migrate => wait(context, database::migrate(context, printer)),
        Command::Backup { file } => wait(context, database::backup(context, &file, printer)),
        Command::Restore { file } => wait(context, database::restore(context, &file, printer)),
        Command::Doctor(args) => wait(context, doctor::run(context, &args, printer)),
        Command::Token(TokenCommand::Explain(args)) => wait(context, token::run(context, &args, printer)),
        Command::Serve => enough_files().and_then(|()| run_to_end(context, serve::run(context, printer))),
        Command::Dev(args) => {
            enough_files().and_then(|()| run_to_end(context, dev::run(context, &args, printer)))
        }
        Command::Openapi => openapi(context, printer),
    }
}

/// The description needs no configuration, but names the public address of the one that is there.
fn openapi(context: &Context, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    printer.pretty_json(&crate::http::document(settings.public_url.as_str().trim_end_matches('/')));
    Ok(ExitStatus::Success)
}

/// A server with too few file handles would start, and then wait for ever for one that is free.
fn enough_files() -> Result<(), Failure> {
    let limit = FileHandles::attainable();
    if limit >= LEAST_HANDLES {
        return Ok(());
    }
    Err(Failure::setup(
        format!(
            "at most {limit} files and connections may be open at a time (`ulimit -Hn`), and a server needs {LEAST_HANDLES}"
        ),
        "raise the limit: `ulimit -n 4096` in the shell that starts it, `LimitNOFILE=4096` in a systemd unit, `--ulimit \
         nofile=4096` for Docker",
    ))
}

/// Runs work that a signal may end wherever it is.
fn wait(context: &Context, work: impl Future<Output = Outcome>) -> Outcome {
    run_to_end(context, async {
        serve::end_when_told()?;
        work.await
    })
}

/// Runs work that ends by itself, or has receivers of its own for signals.
fn run_to_end(context: &Context, work: impl Future<Output = Outcome>) -> Outcome {
    // Dropped after the runtime, whose end may log something.
    let _log = FlushedAtEnd;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1) {
        // A thread that waits for the disk must not be the only one.
        runtime.worker_threads(2);
    }
    // At the machine's limit of threads, blocking work panics where none is left to wait for.
    let runtime = runtime.enable_all().thread_keep_alive(Duration::MAX).build().map_err(|error| {
        Failure::setup(format!("threads or sockets cannot be created: {error}"), "see `ulimit -a`")
    })?;
    drop(runtime.spawn_blocking(|| ()));
    let outcome = runtime.block_on(async {
        serve::outlive_the_limit_of_a_file()?;
        let outcome = work.await;
        context.close().await;
        outcome
    });
    // Dropping it would wait for a name that is still being resolved.
    runtime.shutdown_timeout(LAST_THREADS);
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// As the system's name resolution does where no name server answers.
    #[test]
    fn a_thread_that_hangs_does_not_hold_up_the_end() {
        let context = Context::new(Environment::default(), None);
        let (held, hangs) = mpsc::channel::<()>();
        let began = context.clock.now();
        let work = async {
            drop(tokio::task::spawn_blocking(move || hangs.recv_timeout(LAST_THREADS * 20)));
            Ok(ExitStatus::Success)
        };
        assert_eq!(run_to_end(&context, work), Ok(ExitStatus::Success));
        let took = context.clock.now().duration_since(began);
        assert!(took.unsigned_abs() < LAST_THREADS * 10, "{took}");
        drop(held);
    }
}
