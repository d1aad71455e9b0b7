//! What the operator is promised: signals, readiness, metrics, alerts, the page, the doctor, the
//! record of who did what.

mod acts;
mod alerts;
mod deploy;
mod faults;
mod guides;
mod hangup;
mod notices;
mod page;
mod promised;
mod readiness;
mod soak;
mod staged_faults;
mod staged_troubles;

mod why;
