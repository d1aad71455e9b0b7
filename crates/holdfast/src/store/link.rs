//! The way to the database as a seam: where a simulation lets operations wait their turn, cuts the
//! line, or ends a process.
//!
//! Production has none, and pays one comparison for it.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::StoreError;

/// What lies between a [`Store`](super::Store) and its database.
pub trait Link: Debug + Send + Sync + 'static {
    /// Resolves when an operation (a read, or a unit of work) may begin. An error means that the
    /// database was not reached, so nothing has happened.
    fn enter(&self) -> BoxFuture<'_, Result<Box<dyn Operation>, StoreError>>;
}

/// An operation under way. Dropped, it has ended: read, or rolled back.
pub trait Operation: Send + Sync {
    /// The database has committed: whether its answer arrives. An error is told to the caller as
    /// [`StoreError::OutcomeUnknown`].
    fn committed(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A link shared by all that goes over it.
pub type SharedLink = Arc<dyn Link>;
