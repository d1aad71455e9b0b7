//! What the operator is promised: signals, readiness, metrics, alerts, the page, the doctor, the
//! record of who did what.

mod acts;
mod alerts;
mod deploy;
mod faults;
mod hangup;
mod notices;
mod page;
mod promised;
mod readiness;
mod why;
