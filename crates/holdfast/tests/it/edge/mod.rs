//! Hostile and careless clients against the whole server, on raw sockets: what they may cost everybody else.

mod breaker;
pub mod client;
mod drain;
mod flood;
mod framing;
mod isolated;
mod overload;
mod security_page;
mod slow;
