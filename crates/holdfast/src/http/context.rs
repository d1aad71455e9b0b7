//! Task-local context of the request that a task is answering: its id, its caller, its place.
//!
//! It is task-local rather than in the request's extensions, which cost a box for each value and a
//! hash table.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use super::admission::Admitted;
use super::request_id::RequestId;
use crate::caller::Caller;

/// A request's id and, once an extractor has verified it, its caller.
#[derive(Debug, Clone)]
pub(super) struct Whose(Arc<(RequestId, OnceLock<Caller>)>);

impl Whose {
    /// A request whose caller is not known yet.
    pub(super) fn request(id: RequestId) -> Self {
        Self(Arc::new((id, OnceLock::new())))
    }

    pub(super) fn request_id(&self) -> &RequestId {
        &self.0.0
    }

    pub(super) fn is(&self, caller: Caller) {
        // A second extractor of the same request finds the same caller.
        let _ = self.0.1.set(caller);
    }

    pub(super) fn user_id(&self) -> Option<String> {
        self.0.1.get().map(|caller| caller.owner().as_str().to_owned())
    }
}

tokio::task_local! {
    /// The context of the request that this task answers.
    static CURRENT: Context;
}

/// What belongs to a request.
pub(super) struct Context {
    whose: Whose,
    place: Option<Admitted>,
}

impl Context {
    pub(super) fn new(whose: Whose, place: Option<Admitted>) -> Self {
        Self { whose, place }
    }

    /// Runs `answer` within this context and gives the request's place back when it ends.
    pub(super) fn during<F: Future>(self, answer: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, answer)
    }
}

/// The id of the request that is being answered, and who asked.
pub(super) fn whose_request() -> Option<Whose> {
    CURRENT.try_with(|context| context.whose.clone()).ok()
}

/// The place of the request that is being answered, for work that may outlive it.
pub(super) fn place_of_request() -> Option<Admitted> {
    CURRENT.try_with(|context| context.place.clone()).ok().flatten()
}
