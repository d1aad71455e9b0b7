//! The command line through the real binary: whole outputs and exit codes.

mod configuration;
mod database;
mod dev;
pub mod doctor;
mod field_rows;
mod import;
mod keys;
mod pages;
mod recipes;
mod remedies;
mod serve;
mod signals;
mod token;
mod usage;
