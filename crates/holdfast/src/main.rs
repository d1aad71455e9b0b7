//! The `holdfast` binary: hands the command line and the environment to the library.

use std::process::ExitCode;

use holdfast::{cli, settings::Environment};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::of_process()).into()
}
