//! The recipes of `docs/guides/import`: SQL that prints what `holdfast import` takes.

use std::path::Path;

use holdfast::clock::{Clock as _, SystemClock};
use serde_json::Value;

use super::import::{Graph, outcomes, place, token};
use crate::testing::database::execute;
use crate::testing::postgres_server::OwnServer;

/// A recipe, a table of that tool's form (`TIME` is a type of Postgres), and rows (`EXPIRES` is a
/// day to come). One row is to be imported, two of Nango's. The table has only the columns that the
/// recipe reads.
const RECIPES: [(&str, &str, &str); 4] = [
    (
        "plain-table",
        "CREATE TABLE instagram_accounts (clerk_user_id text, access_token text, expires_at TIME, created_at TIME)",
        "INSERT INTO instagram_accounts VALUES ('user_1', 'TOKEN', 'EXPIRES 00:00:00', '2026-01-01 00:00:00'),
         ('user_2', NULL, NULL, NULL)",
    ),
    (
        "chatwoot",
        "CREATE TABLE channel_instagram (id bigserial PRIMARY KEY, access_token varchar NOT NULL,
         expires_at TIME NOT NULL, account_id integer NOT NULL, instagram_id varchar NOT NULL,
         created_at TIME NOT NULL DEFAULT now(), updated_at TIME NOT NULL DEFAULT now())",
        "INSERT INTO channel_instagram (access_token, expires_at, account_id, instagram_id)
         VALUES ('TOKEN', 'EXPIRES 00:00:00', 1, '17841'), ('IGAAother', 'EXPIRES 00:00:00', 2, '17842')",
    ),
    (
        "postiz",
        "CREATE TABLE \"Integration\" (id text PRIMARY KEY, \"organizationId\" text NOT NULL,
         \"providerIdentifier\" text NOT NULL, token text NOT NULL, disabled boolean NOT NULL DEFAULT false,
         \"tokenExpiration\" TIME, \"deletedAt\" TIME)",
        "INSERT INTO \"Integration\" VALUES
         ('1', 'organization id of Postiz', 'instagram-standalone', 'TOKEN', false, 'EXPIRES 00:00:00', NULL),
         ('2', 'organization id of Postiz', 'instagram', 'EAAfacebook', false, NULL, NULL),
         ('3', 'organization id of Postiz', 'instagram-standalone', 'IGAAdisabled', true, NULL, NULL),
         ('4', 'organization id of Postiz', 'instagram-standalone', 'IGAAdeleted', false, NULL, now()),
         ('5', 'of somebody else', 'instagram-standalone', 'IGAAother', false, NULL, NULL)",
    ),
    (
        "nango",
        "CREATE SCHEMA IF NOT EXISTS nango;
         DROP TABLE IF EXISTS nango._nango_connections, nango._nango_environments, nango.end_users;
         CREATE TABLE nango._nango_environments (id serial PRIMARY KEY, name varchar NOT NULL);
         CREATE TABLE nango.end_users (id serial PRIMARY KEY, end_user_id varchar NOT NULL);
         CREATE TABLE nango._nango_connections (id serial PRIMARY KEY, provider_config_key varchar NOT NULL,
         connection_id varchar NOT NULL, credentials json NOT NULL, environment_id integer NOT NULL,
         end_user_id integer, created_at TIME NOT NULL DEFAULT now(), deleted_at TIME)",
        "INSERT INTO nango._nango_environments (name) VALUES ('prod'), ('dev');
         INSERT INTO nango.end_users (end_user_id) VALUES ('user_2');
         INSERT INTO nango._nango_connections
         (provider_config_key, connection_id, credentials, environment_id, end_user_id, deleted_at) VALUES
         ('instagram', 'user_1', '{\"type\": \"OAUTH2\", \"access_token\": \"TOKEN\", \"expires_at\": \"EXPIREST00:00:00.000Z\"}', 1, NULL, NULL),
         ('instagram', 'f4a5c6', '{\"access_token\": \"SECOND\", \"expires_at\": \"EXPIREST00:00:00.000Z\"}', 1, 1, NULL),
         ('instagram', 'user_3', '{\"encrypted_credentials\": \"x\"}', 1, NULL, NULL),
         ('instagram', 'user_4', '{\"access_token\": \"IGAAdeleted\"}', 1, NULL, now()),
         ('instagram', 'user_5', '{\"access_token\": \"IGAAdev\"}', 2, NULL, NULL),
         ('tiktok', 'user_6', '{\"access_token\": \"IGAAother\"}', 1, NULL, NULL)",
    ),
];

/// In a session whose time zone is not UTC, from columns with and without a time zone.
#[tokio::test(flavor = "multi_thread")]
async fn each_recipe_prints_what_import_takes() {
    let (_, graph) = Graph::start().await;
    let server = OwnServer::start();
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/import");
    let in_fifty_days = SystemClock.now().as_second() + 50 * 86_400;
    let day = jiff::Timestamp::from_second(in_fifty_days).unwrap().strftime("%Y-%m-%d").to_string();
    for (each, (recipe, table, rows)) in RECIPES.into_iter().enumerate() {
        for kind in ["timestamptz", "timestamp"] {
            let dropped = "DROP TABLE IF EXISTS instagram_accounts, channel_instagram, \"Integration\"";
            let rows = rows.replace("TOKEN", &token("good", each)).replace("SECOND", &token("good", 90));
            let rows = rows.replace("EXPIRES", &day);
            let (table, imported) = (table.replace("TIME", kind), if recipe == "nango" { 2 } else { 1 });
            // As these tools write: in UTC, also where the reader's zone is another.
            execute(&server.url(), &format!("{dropped}; {table}; SET TIME ZONE 'UTC'; {rows}"))
                .await
                .unwrap();
            let sql = std::fs::read_to_string(guides.join(format!("{recipe}.sql"))).unwrap();
            let printed = server.csv(&sql.replace("'user_…'", "'user_1'"), "America/New_York");
            let place = place(&graph);
            let ended = place.feed(&["import", "-"], printed.as_bytes());
            assert_eq!(
                (ended.code, outcomes(&ended.stdout)),
                (0, vec!["imported".to_owned(); imported]),
                "{recipe}"
            );
            let shown = place.run(&["connections", "show", "user_1", "--json"]);
            let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
            assert_eq!(
                shown["connection"]["token_expires_at"],
                format!("{day}T00:00:00Z"),
                "{recipe}: {kind}"
            );
        }
    }
}
