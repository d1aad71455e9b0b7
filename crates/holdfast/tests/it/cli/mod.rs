//! The command line through the real binary: whole outputs and exit codes.

mod configuration;
mod database;
mod doctor;
mod keys;
mod reference;
mod support;
mod token;
mod usage;
