//! Hostile and careless clients against the whole server, on raw sockets: what they may cost
//! everybody else.

mod address;
pub mod attacks;
mod breaker;
pub mod client;
mod crowd;
pub mod crowded;
mod drain;
mod flood;
mod framing;
pub mod isolated;
mod memory_image;
mod overload;
mod power_loss;
mod report_mode;
mod security_page;
mod slow;
mod stalled_log;
