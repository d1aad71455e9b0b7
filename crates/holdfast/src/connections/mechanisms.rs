//! The mechanisms that guard a connection. All are at work in production; the simulation goes
//! through a year without one of them at a time.

use crate::names::names;

names! {
    /// A mechanism that the simulation can do without, by the name that it is asked for there.
    pub enum Mechanism {
        /// Holding an unexplained "no" to a refresh against `/me`.
        SecondOpinion = "second-opinion",
        /// Asking a few others in a lull before an unexplained death is believed.
        AskingOthers = "asking-others",
        /// Using the grant before the one in use again.
        EarlierGrant = "earlier-grant",
        /// Believing no death while many are struck alike.
        Incidents = "incidents",
        /// Counting unexplained deaths over two hours and a day, not over 20 minutes only.
        LongSpans = "long-spans",
        /// Taking back deaths that were believed before an incident was seen.
        TakingBack = "taking-back",
        /// Those struck ask in turns, and the first that works makes the others due.
        Canaries = "canaries",
        /// Having what is said of one connection confirmed later the more connections there are.
        Confidence = "confidence",
        /// Repairing what a clock that was ahead has written; doubting expiries after a leap.
        ClockRepair = "clock-repair",
        /// One probe for all while the provider answers nobody.
        Breaker = "breaker",
        /// Slowing down by the provider's usage headers.
        Budget = "budget",
    }
}

/// Those at work.
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
