//! Housekeeping over many rows.

use futures_util::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::ServiceError;

/// Rows worked on at a time.
const PARALLEL: usize = 8;

/// Works on each row, and on no further one once told to stop. Returns for how many `work` is true.
pub(super) async fn for_each<T, F: Future<Output = Result<bool, ServiceError>>>(
    rows: Vec<T>,
    stop: &CancellationToken,
    work: impl Fn(T) -> F,
) -> Result<usize, ServiceError> {
    let work = |row| {
        let worked = work(row);
        async move { if stop.is_cancelled() { Ok(false) } else { worked.await } }
    };
    let outcomes: Vec<_> = stream::iter(rows).map(work).buffer_unordered(PARALLEL).collect().await;
    outcomes.into_iter().map(|outcome| outcome.map(usize::from)).sum()
}
