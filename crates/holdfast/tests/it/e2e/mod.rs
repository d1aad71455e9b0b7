//! The whole server on a real socket, its real clients, and both stand-ins: what the contract promises.

mod app;
mod connecting;
mod faults;
mod first_call;
mod keys_away;
mod verdicts;
