//! The mechanisms that guard a connection. Production has all of them; the simulation runs a year
//! without each in turn.

use crate::names::names;

names! {
    /// A mechanism that the simulation can do without, by the name that it is asked for there.
    pub enum Mechanism {
        /// Asking `/me` after an unexplained refusal of a refresh.
        SecondOpinion = "second-opinion",
        /// Asking a few other connections before an unexplained death is believed.
        AskingOthers = "asking-others",
        /// Restoring the grant before the one in use.
        EarlierGrant = "earlier-grant",
        /// Believing no death while many are struck alike.
        Incidents = "incidents",
        /// Counting unexplained deaths over two hours and a day, not over 20 minutes only.
        LongSpans = "long-spans",
        /// Revoking deaths that were believed before an incident was noticed.
        TakingBack = "taking-back",
        /// Struck connections ask in turns, and the first that works makes the others due.
        Canaries = "canaries",
        /// Waiting longer before a sign of death is believed, if there are enough connections.
        Confidence = "confidence",
        /// Repairing what a clock that was ahead has written; doubting expiries after a leap.
        ClockRepair = "clock-repair",
        /// One probe for all while the provider answers nobody.
        Breaker = "breaker",
        /// Slowing down by the provider's usage headers.
        Budget = "budget",
    }
}

/// The mechanisms that are enabled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mechanisms {
    without: Option<Mechanism>,
}

impl Mechanisms {
    pub(super) fn without(mechanism: Mechanism) -> Self {
        Self { without: Some(mechanism) }
    }

    pub(super) fn has(self, mechanism: Mechanism) -> bool {
        self.without != Some(mechanism)
    }
}
