//! The mechanisms that guard a connection. All are at work in production; the simulation goes
//! through a year without one of them at a time.

/// A mechanism that the simulation can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Holding an unexplained "no" to a refresh against `/me`.
    SecondOpinion,
    /// Asking a few others in a lull before an unexplained death is believed.
    AskingOthers,
    /// Using the grant before the one in use again.
    EarlierGrant,
    /// Believing no death while many are struck alike.
    Incidents,
    /// Counting unexplained deaths over two hours and a day, not over 20 minutes only.
    LongSpans,
    /// Taking back deaths that were believed before an incident was seen.
    TakingBack,
    /// Those struck ask in turns, and the first that works makes the others due.
    Canaries,
    /// Having what is said of one connection confirmed later the more connections there are.
    Confidence,
    /// Putting right what a clock that was ahead has written, and doubting expiries after a leap.
    ClockRepair,
    /// One probe for all while the provider answers nobody.
    Breaker,
    /// Slowing down by the provider's usage headers.
    Budget,
}

impl Mechanism {
    /// Every mechanism, by the name that the simulation asks for it.
    pub const ALL: [(&'static str, Self); 11] = [
        ("second-opinion", Self::SecondOpinion),
        ("asking-others", Self::AskingOthers),
        ("earlier-grant", Self::EarlierGrant),
        ("incidents", Self::Incidents),
        ("long-spans", Self::LongSpans),
        ("taking-back", Self::TakingBack),
        ("canaries", Self::Canaries),
        ("confidence", Self::Confidence),
        ("clock-repair", Self::ClockRepair),
        ("breaker", Self::Breaker),
        ("budget", Self::Budget),
    ];
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
