//! Work that must finish even if the client leaves or the request times out.
//!
//! hyper drops a handler's future as soon as its client is gone, and our own limit drops it too. A
//! code that is being exchanged for a grant must not be dropped with it.
//!
//! Such work keeps its request's place ([`super::admission`]), so a client that asks and leaves
//! repeatedly has no more work under way than one that stays.

use std::future::Future;

use tokio_util::task::TaskTracker;

use super::context::place_of_request;
use super::layers::PANICKED;
use super::problem::{Problem, ServerCode};
use crate::telemetry::traces::WithContext as _;

/// Keeps track of work that has been begun and not finished.
#[derive(Debug, Clone, Default)]
pub struct Detached(TaskTracker);

impl Detached {
    /// Runs `work` to its end, even if the waiting request is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = place_of_request();
        let work = async move {
            let _place = place;
            work.await
        };
        self.0.spawn(work.with_current_context()).await.map_err(|error| {
            let cause = if error.is_panic() { PANICKED } else { "the process is ending" };
            Problem::new(ServerCode::Internal).with_cause(cause)
        })
    }

    /// What has been begun and not finished.
    pub(super) fn under_way(&self) -> usize {
        self.0.len()
    }

    /// Resolves once nothing is running; for the end of the process, before the database is closed.
    pub async fn idle(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::HeaderMap;
    use tokio::sync::oneshot;

    use super::super::admission::{Admission, RequestLimits};
    use super::super::context::{Context, Whose};
    use super::super::request_id::RequestId;
    use super::*;
    use crate::clock::from_millis;
    use crate::entropy::SeededEntropy;

    #[tokio::test]
    async fn work_outlives_whoever_waits_for_it() {
        let detached = Detached::default();
        let (go, wait) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let waiting = tokio::spawn({
            let detached = detached.clone();
            async move {
                detached
                    .run(async move {
                        let _ = wait.await;
                        let _ = done.send(42);
                    })
                    .await
            }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        assert_eq!(finished.await.unwrap(), 42);
        detached.idle().await;
    }

    #[tokio::test]
    async fn work_keeps_the_place_of_a_request_that_is_given_up() {
        let detached = Detached::default();
        let admission = Admission::new(RequestLimits { in_all: 1, reserved: 0, per_address: None });
        let address: IpAddr = Ipv4Addr::LOCALHOST.into();
        let place = admission.admit(address.into()).unwrap();
        let (go, wait) = oneshot::channel::<()>();
        let work = {
            let detached = detached.clone();
            async move { detached.run(wait).await.is_ok() }
        };
        let id = RequestId::of(&HeaderMap::new(), &SeededEntropy::new(1), from_millis(0));
        let context = Context::new(Whose::request(id), Some(place));
        let request = tokio::spawn(context.during(work));
        tokio::task::yield_now().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert!(admission.admit(address.into()).is_err(), "it is still at work");
        go.send(()).unwrap();
        detached.idle().await;
        admission.admit(address.into()).unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_is_counted_down() {
        let detached = Detached::default();
        let outcome = detached.run(async { panic!("on purpose") }).await;
        assert_eq!(outcome.map(|(): ()| ()).unwrap_err().code().entry().code, "internal-error");
        detached.idle().await;
    }
}
