//! Whether the provider may be asked now: its health and its rate budget.

pub mod breaker;
pub mod budget;
