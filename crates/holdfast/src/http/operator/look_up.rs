//! What support asks: a user id, an account id, a handle or a request id.

use std::sync::Arc;

use super::super::memory::{Recalled, Remembered};
use super::Operator;
use crate::caller::OwnerId;
use crate::clerk::User;
use crate::connection::status::InstagramStatus;
use crate::connections::listing::{by_account, is_account_id};
use crate::provider::ProviderId;
use crate::store::{HistoryEntry, Store, StoreError};

/// Users of an account, lines of history, and refusals of a user.
const MOST: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) request: Option<Recalled>,
    pub(super) people: Vec<Person>,
    /// Why it could not be looked up whole.
    pub(super) trouble: Option<String>,
}

/// What is known of a user.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) user_id: String,
    pub(super) user: Option<User>,
    pub(super) status: Option<InstagramStatus>,
    pub(super) history: Vec<HistoryEntry>,
    pub(super) refusals: Vec<Arc<Remembered>>,
}

pub(super) async fn find(operator: &Operator, asked: &str) -> Found {
    let request = operator.state.edge.metrics.memory.find(asked);
    let mut found = Found { request, ..Found::default() };
    let store = &operator.overview.store;
    let users = if asked.starts_with("user_") {
        Ok(vec![asked.to_owned()])
    } else {
        match &found.request {
            Some(request) if !is_account_id(asked) => {
                Ok(request.first.user().map(str::to_owned).into_iter().collect())
            }
            Some(_) | None => users_of(store, asked).await,
        }
    };
    match users {
        Ok(users) => {
            for user_id in users {
                match person(operator, &user_id).await {
                    Ok(person) => found.people.extend(person),
                    Err(error) => found.trouble = Some(error),
                }
            }
        }
        Err(error) => found.trouble = Some(error.to_string()),
    }
    found
}

/// Who an account is connected to: by its id, or by its handle with or without `@`.
async fn users_of(store: &Store, account: &str) -> Result<Vec<String>, StoreError> {
    let handle = format!("@{}", account.trim_start_matches('@'));
    let found = by_account(store, if is_account_id(account) { account } else { &handle }).await?;
    Ok(found.into_iter().map(|connection| connection.user_id).take(MOST).collect())
}

/// `None` where nothing is known of them.
async fn person(operator: &Operator, user_id: &str) -> Result<Option<Person>, String> {
    let owner = OwnerId::named_by_operator(user_id);
    let store = &operator.overview.store;
    let user = store.user(&owner).await.map_err(|error| error.to_string())?;
    let refusals = operator.state.edge.metrics.memory.of_user(user_id, MOST);
    let (mut status, mut history) = (None, Vec::new());
    if user.is_some() {
        let connections = &operator.overview.connections;
        status = Some(connections.status(&owner).await.map_err(|error| error.to_string())?);
        let page = store.history(&owner, ProviderId::INSTAGRAM, None, MOST).await;
        history = page.map_err(|error| error.to_string())?.entries;
    }
    if user.is_none() && refusals.is_empty() {
        return Ok(None);
    }
    Ok(Some(Person { user_id: user_id.to_owned(), user, status, history, refusals }))
}
