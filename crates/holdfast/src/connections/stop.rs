//! Whether whoever works through many connections has been told to end.

use tokio::sync::watch;

/// Asked between two items: what is under way is finished, nothing further is begun.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<watch::Receiver<bool>>);

impl Stop {
    /// Nobody will ask.
    pub const NEVER: Self = Self(None);

    /// Asked for as soon as `signal` is true, or its sender gone.
    pub fn on(signal: watch::Receiver<bool>) -> Self {
        Self(Some(signal))
    }

    /// Whether it has been asked for.
    pub fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|signal| *signal.borrow() || signal.has_changed().is_err())
    }

    /// Until it is asked for.
    pub async fn asked(&self) {
        match self.0.clone() {
            // An error means that the sender is gone, and the process ends.
            Some(mut signal) => drop(signal.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }
}
