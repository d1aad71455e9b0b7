//! Finds a pooler that gives every transaction another session, such as PgBouncer with
//! `pool_mode = transaction`.
//!
//! There our settings of a session reach other programs' sessions and not ours, and a listener hears
//! nothing: nothing fails, and changes on other replicas are missed.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::clock::{SystemClock, within};

/// Longest time for the look. Where it takes longer, nothing is found.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many transactions are begun, in case others take the session that was free.
const TRANSACTIONS: usize = 3;

/// Whether a connection changes its session between two statements. Sure where it is true; a pooler
/// that is in use meanwhile may not be found.
pub(super) async fn is_between(options: &PgConnectOptions) -> bool {
    let looked = Box::pin(is_torn_apart(options));
    matches!(within(PATIENCE, &SystemClock, looked).await, Some(Ok(true)))
}

/// Whether a connection has another session once others have begun transactions: a pooler gives the
/// session that is free to one of them.
async fn is_torn_apart(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut one = PgConnection::connect_with(options).await?;
    let before = session(&mut one).await?;
    let (mut others, mut is_torn) = (Vec::new(), false);
    while !is_torn && others.len() < TRANSACTIONS {
        let mut other = PgConnection::connect_with(options).await?;
        other.execute("BEGIN").await?;
        others.push(other);
        is_torn = session(&mut one).await? != before;
    }
    others.push(one);
    for each in others {
        each.close().await?;
    }
    Ok(is_torn)
}

/// Not prepared: in transaction mode another session may have a statement of that name.
async fn session(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    connection.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)
}
