//! The `holdfast` binary: hands the command line and the environment to the library.

use std::process::ExitCode;

use holdfast::{cli, settings::Environment};
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// A request allocates some sixty times, on whichever thread it is; the system's allocator took a
/// sixth of its time.
/// What is freed is zeroed: grants pass through buffers of libraries, which do not wipe them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::of_process()).into()
}
