//! Somebody whose Instagram account is connected.

use std::time::Duration;

use holdfast::clock::{Clock as _, SystemClock, after};
use holdfast::connection::{Connection, Evidence, EvidenceSource, GrantFacts, Standing};
use holdfast::entropy::{SystemEntropy, new_id};
use holdfast::provider::{Account, ProviderId};

use crate::Fallible;

/// Their connection as it is just after connecting. `number` tells the accounts apart.
pub fn connection(user_id: String, number: usize) -> Fallible<Connection> {
    let now = SystemClock.now();
    let days = |count: u64| after(now, Duration::from_hours(24 * count));
    Ok(Connection {
        standing: Standing::CONNECTED,
        account: Some(Account {
            id: format!("2598275224{number:07}"),
            professional_id: Some(format!("1784147967{number:07}")),
            username: Some("ada.makes".to_owned()),
            name: Some("Ada".to_owned()),
            account_type: Some("business".to_owned()),
            profile_picture_url: Some("https://cdn.example.com/ada.jpg".to_owned()),
        }),
        scopes: vec!["instagram_business_basic".to_owned()],
        grant: Some(GrantFacts { version: 1, obtained_at: now, expires_at: days(60) }),
        next_refresh_at: Some(days(30)),
        linked_at: Some(now),
        evidence: Some(Evidence { source: EvidenceSource::Oauth, at: now }),
        ..Connection::not_connected(new_id(&SystemEntropy, now)?, user_id, ProviderId::INSTAGRAM, now)
    })
}
