//! The way to the database as a seam: here a simulation delays operations, cuts the connection, or
//! ends a process.
//!
//! Production has no link, which costs one comparison.

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

/// An operation in progress. When dropped, it has ended: read, or rolled back.
pub trait Operation: Send + Sync {
    /// Called after the commit; decides whether the database's answer arrives. The caller gets an
    /// error as [`StoreError::OutcomeUnknown`].
    fn committed(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A shared link.
pub type SharedLink = Arc<dyn Link>;
