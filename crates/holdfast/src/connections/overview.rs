//! What an operator sees of the provider. Makes no call.

use jiff::Timestamp;

use crate::connections::Connections;

impl Connections {
    /// The used share of the app's rate budget, by the provider's answers; 1: it is spent.
    pub fn budget_used(&self) -> f64 {
        f64::from(self.gate.budget_used_percent()) / 100.0
    }

    /// Until when the provider is not asked, because it answers nobody or its budget is spent.
    pub fn provider_rests_until(&self) -> Option<Timestamp> {
        let now = self.parts.clock.now();
        self.gate.rests_until(now).max(self.gate.spent_until(now))
    }
}
