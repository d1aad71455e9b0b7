//! The `holdfast` binary: hands the command line and the environment to the library.

use std::process::ExitCode;

use holdfast::allocator::{ALLOCATOR, Allocator};
use holdfast::{cli, settings::Environment};

#[global_allocator]
static OF_THE_PROCESS: Allocator = ALLOCATOR;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::of_process()).into()
}
