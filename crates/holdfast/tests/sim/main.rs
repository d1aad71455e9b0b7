//! A year by seed: the production worker, domain and Instagram client under a simulated clock,
//! network and Instagram, and over a real database. `scripts/simulate.sh` runs a year of any size;
//! the tests here run small ones.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the real environment"
)]

mod baton;
mod dice;
mod instagram;
mod network;
mod oracle;
mod population;
mod replica;
mod report;
mod run;
mod script;
mod sqlite;
mod years;
