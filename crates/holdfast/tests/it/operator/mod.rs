//! What the operator is promised: signals, readiness, metrics, alerts, the page, the doctor, the record of who did what.

mod hangup;
mod readiness;
