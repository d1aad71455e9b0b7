//! The people: linked before the year begins, in the ordinary course of things, so with grants of
//! every age.

use std::sync::Arc;

use holdfast::app::prove_ring;
use holdfast::caller::OwnerId;
use holdfast::clock::from_millis;
use holdfast::connection::{Connection, Evidence, EvidenceSource, GrantFacts, Standing};
use holdfast::connections::grants::{self, RowSeal};
use holdfast::entropy::{SeededEntropy, SharedEntropy, SystemEntropy, new_id};
use holdfast::provider::{Account, Grant, ProviderId};
use holdfast::store::{ChangeSet, CommitOutcome, ConnectionWrite, Store};
use secrecy::SecretString;
use uuid::Uuid;

use super::baton::{DAY, Millis};
use super::dice::Dice;
use super::instagram::{Instagram, LIFETIME, account_id};
use super::replica::{POLICY, vault};

/// Another user, who connects that account where its holder has left.
pub fn heir(number: usize) -> OwnerId {
    OwnerId::named_by_operator(format!("user_heir_{number}"))
}

pub fn owner(number: usize) -> OwnerId {
    OwnerId::named_by_operator(format!("user_{number}"))
}

/// A person, as the year begins.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub connection: Uuid,
    pub issued_at: Millis,
}

/// Links everybody, straight through the store.
pub async fn link_all(
    store: &Store,
    instagram: &Instagram,
    amount: usize,
    start: Millis,
    seed: u64,
) -> Vec<Person> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(seed));
    let vault = vault(&entropy);
    // With other dice: those of the seed are for the year.
    let ring = super::replica::vault(&(Arc::new(SystemEntropy) as SharedEntropy));
    prove_ring(&ring, store).await.expect("its sentinel is stored");
    let mut dice = Dice::new(seed, 5);
    let mut people = Vec::with_capacity(amount);
    for number in 0..amount {
        let issued_at = start - dice.between(0, 30 * DAY);
        let linked = from_millis(issued_at);
        let grant = Grant {
            access_token: SecretString::from(instagram.issue(number, issued_at)),
            scopes: None,
            obtained_at: linked,
            expires_at: from_millis(issued_at + LIFETIME),
        };
        let id = new_id(&*entropy, linked).expect("an id");
        let connection = Connection {
            standing: Standing::CONNECTED,
            account: Some(account(number)),
            grant: Some(GrantFacts { version: 1, obtained_at: linked, expires_at: grant.expires_at }),
            next_refresh_at: Some(POLICY.due(linked, grant.expires_at, dice.fraction())),
            linked_at: Some(linked),
            evidence: Some(Evidence { source: EvidenceSource::Oauth, at: linked }),
            ..Connection::not_connected(id, owner(number).as_str().to_owned(), ProviderId::INSTAGRAM, linked)
        };
        // The owner's row comes with the connection; the key needs it first.
        let write = ConnectionWrite { expected_version: None, connection: connection.clone() };
        commit(store, ChangeSet { connection: Some(write), ..ChangeSet::default() }).await;
        let key = grants::user_key(store, &vault, &connection.user_id).await.expect("a user's key");
        let sealed = RowSeal::of_connection(&key, &connection).seal_grant(1, &grant).expect("it seals");
        commit(store, ChangeSet { append_grant: Some(sealed), ..ChangeSet::default() }).await;
        people.push(Person { connection: id, issued_at });
    }
    people
}

async fn commit(store: &Store, changes: ChangeSet) {
    assert_eq!(store.commit(&changes).await, Ok(CommitOutcome::Committed));
}

fn account(number: usize) -> Account {
    Account {
        id: account_id(number),
        professional_id: Some(format!("1784{number}")),
        username: Some(format!("user.{number}.0")),
        name: None,
        account_type: Some("business".to_owned()),
        profile_picture_url: None,
    }
}
