//! Seeded faults: each is named by exactly one failing check, with a remedy.

use std::net::SocketAddr;

use axum::Router;
use holdfast::standin::clerk::ClerkStandin;
use http::StatusCode;
use http::header::LOCATION;
use secrecy::ExposeSecret as _;

use crate::cli::doctor::{codes, run};
use crate::outbox::endpoint::SECRET;
use crate::store::schema::of_the_version_before;
use crate::testing::database::{Engine, count_on, create_database};
use crate::testing::ports::ReservedPort;
use crate::testing::postgres_server::{OwnServer, server};
use crate::testing::program::{Place, installation_in, outside, ring_entry};
use crate::testing::waiting::until;
use holdfast::standin::Outside;

/// What the faults are made of.
struct Seeds {
    outside: Outside,
    /// Another instance of Clerk's.
    other: ClerkStandin,
    /// Takes connections, and is no server of ours.
    taken: SocketAddr,
    /// Answers `/404` with 404, and so on.
    stub: SocketAddr,
    /// Nobody listens there.
    free: ReservedPort,
}

/// Answers `/200`, `/404` and so on with that status.
async fn stub() -> SocketAddr {
    let answer = async |uri: http::Uri| {
        let status = uri.path().split('/').nth(1).and_then(|text| text.parse().ok()).unwrap_or(200);
        (StatusCode::from_u16(status).unwrap(), [(LOCATION, "/200")], "<!doctype html><title>An app</title>")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    address
}

type Change = fn(Place, &Seeds) -> Place;

/// A port that nobody listens at.
const NOBODY: &str = "http://127.0.0.1:9";

/// Name of the fault, the check that names it, and what is changed.
const FAULTS: &[(&str, &str, Change)] = &[
    ("no encryption key", "configuration", |p, _| p.with("HOLDFAST_ENCRYPTION_KEYS", "")),
    ("a short encryption key", "configuration", |p, _| p.with("HOLDFAST_ENCRYPTION_KEYS", "a:c2hvcnQ=")),
    ("two encryption keys of one id", "configuration", |p, _| {
        p.with("HOLDFAST_ENCRYPTION_KEYS", format!("{},{}", ring_entry("a", 1), ring_entry("a", 2)))
    }),
    ("a listening address without a port", "configuration", |p, _| p.with("HOLDFAST_LISTEN", "localhost")),
    ("a misspelt setting", "configuration", |p, _| p.with("HOLDFAST_LISTN", "127.0.0.1:1")),
    ("a public address without a scheme", "configuration", |p, _| {
        p.with("HOLDFAST_PUBLIC_URL", "api.example.com")
    }),
    ("a database of an unknown kind", "configuration", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "mysql://db/app")
    }),
    ("a database in memory", "configuration", |p, _| p.with("HOLDFAST_DATABASE_URL", "sqlite::memory:")),
    ("a database in memory, in SQLite's words", "configuration", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "sqlite:file::memory:")
    }),
    ("an address of Postgres that cannot be read", "configuration", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "postgres://db.example.com/holdfast?sslmode=bogus")
    }),
    ("an origin with a path", "configuration", |p, _| {
        p.with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com/x")
    }),
    ("a return address that is none", "configuration", |p, _| p.with("HOLDFAST_RETURN_URLS", "settings")),
    ("a refresh beyond the lifetime", "configuration", |p, _| p.with("HOLDFAST_REFRESH_AT", "1.5")),
    ("a switch that is none", "configuration", |p, _| p.with("HOLDFAST_WORKER", "maybe")),
    ("a filter of the log that is none", "configuration", |p, _| p.with("HOLDFAST_LOG", "info,=")),
    ("a format of the log that is none", "configuration", |p, _| p.with("HOLDFAST_LOG_FORMAT", "xml")),
    ("no connection at all", "configuration", |p, _| p.with("HOLDFAST_MAX_CONNECTIONS", "0")),
    ("an unknown mode of parties", "configuration", |p, _| p.with("CLERK_AUTHORIZED_PARTIES_MODE", "strict")),
    ("a skew of ten minutes", "configuration", |p, _| p.with("CLERK_CLOCK_SKEW_MS", "600000")),
    ("events without a secret", "configuration", |p, _| {
        p.with("HOLDFAST_WEBHOOK_URL", "https://app.example.com/e")
    }),
    ("a secret without events", "configuration", |p, _| p.with("HOLDFAST_WEBHOOK_SECRET", SECRET)),
    ("an app id without its secret", "configuration", |p, _| p.with("INSTAGRAM_APP_SECRET", "")),
    ("an app secret without its id", "configuration", |p, _| p.with("INSTAGRAM_APP_ID", "")),
    ("an app id of letters", "configuration", |p, _| p.with("INSTAGRAM_APP_ID", "my-app")),
    ("a version without its v", "configuration", |p, _| p.with("INSTAGRAM_GRAPH_VERSION", "25")),
    ("a secret key as the publishable one", "configuration", |p, _| {
        p.with("CLERK_PUBLISHABLE_KEY", "sk_live_thisisasecretkey")
    }),
    ("a publishable key as the secret one", "configuration", |p, _| {
        p.with("CLERK_SECRET_KEY", "pk_live_abc")
    }),
    ("a pinned key that is none", "configuration", |p, _| {
        p.with("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----")
    }),
    ("a webhook secret of another kind", "configuration", |p, _| {
        p.with("CLERK_WEBHOOK_SIGNING_SECRET", "secret")
    }),
    ("a file of a secret that is not there", "configuration", |p, _| {
        p.with("OTEL_EXPORTER_OTLP_HEADERS_FILE", "/nowhere/secret")
    }),
    ("a value and its file", "configuration", |p, _| {
        p.file("key", "sk_test_abcdefgh").with("CLERK_SECRET_KEY_FILE", "key")
    }),
    ("nothing that says whose tokens", "configuration", |p, _| {
        p.with("CLERK_JWKS_URL", "").with("CLERK_SECRET_KEY", "")
    }),
    ("a file that is not TOML", "configuration", |p, _| p.file("holdfast.toml", "listen = \n")),
    ("a value in quotes", "configuration", |p, _| {
        p.with("HOLDFAST_PUBLIC_URL", "\"https://api.example.com\"")
    }),
    ("a version in quotes", "configuration", |p, _| p.with("INSTAGRAM_GRAPH_VERSION", "'v25.0'")),
    ("an origin on the internet over http", "insecure-origin", |p, _| {
        p.with("HOLDFAST_ALLOWED_ORIGINS", "http://app.example.com")
    }),
    ("events over http", "insecure-webhook", |p, _| {
        p.with("HOLDFAST_WEBHOOK_URL", "http://hooks.example.com/e").with("HOLDFAST_WEBHOOK_SECRET", SECRET)
    }),
    ("nowhere to return to", "return-urls", |p, _| p.with("HOLDFAST_ALLOWED_ORIGINS", "")),
    ("a port that is taken", "listen", |p, s| p.with("HOLDFAST_LISTEN", s.taken.to_string())),
    ("an address of another machine", "listen", |p, _| p.with("HOLDFAST_LISTEN", "192.0.2.1:8080")),
    ("a metrics port that is taken", "metrics-listen", |p, s| {
        p.with("HOLDFAST_METRICS_LISTEN", s.taken.to_string())
    }),
    ("one port for both", "metrics-listen", |p, s| {
        let free = s.free.address().to_string();
        p.with("HOLDFAST_LISTEN", free.as_str()).with("HOLDFAST_METRICS_LISTEN", free)
    }),
    ("more connections than files", "file-handles", |p, _| p.with("HOLDFAST_MAX_CONNECTIONS", "4000000000")),
    ("a journal where a file is", "journal", |p, _| {
        p.file("taken", "").with("HOLDFAST_JOURNAL_DIR", "taken/journal")
    }),
    ("a database in a directory that is not there", "database", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "sqlite://absent/holdfast.db")
    }),
    ("a database that is none", "database", |p, _| {
        p.file("holdfast.db", "this is no database, but long enough to be looked at\n")
    }),
    ("a Postgres that does not run", "database", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "postgres://holdfast@127.0.0.1:9/holdfast")
    }),
    ("a database that Postgres does not have", "database", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", server().url("no_such_database"))
    }),
    ("keys that answer 500", "clerk-keys", |p, s| p.with("CLERK_JWKS_URL", format!("http://{}/500", s.stub))),
    ("keys that are a page", "clerk-keys", |p, s| p.with("CLERK_JWKS_URL", format!("http://{}/200", s.stub))),
    ("keys at a host that is not there", "clerk-keys", |p, _| {
        p.with("CLERK_JWKS_URL", "http://no-such-host.invalid/jwks")
    }),
    ("a pinned key of another instance", "clerk-pinned-key", |p, s| {
        p.with("CLERK_JWT_KEY", s.other.jwt_key().unwrap())
    }),
    ("a secret key that was revoked", "clerk-secret-key", |p, _| {
        p.with("CLERK_SECRET_KEY", "sk_test_revokedlongago")
    }),
    ("a secret key of another instance", "clerk-instance", |p, s| {
        p.with("CLERK_API_URL", s.other.url()).with("CLERK_SECRET_KEY", s.other.secret_key().expose_secret())
    }),
    ("an issuer of another instance", "clerk-issuer", |p, _| {
        p.with("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
            .with("CLERK_ISSUER", "https://clerk.other.example")
    }),
    ("keys of another instance than the issuer's", "clerk-issuer", |p, s| {
        p.with("CLERK_ISSUER", s.other.url().as_str().trim_end_matches('/'))
    }),
    ("a pinned key of another instance than the issuer's", "clerk-issuer", |p, s| {
        p.with("CLERK_JWT_KEY", s.outside.clerk.jwt_key().unwrap())
            .with("CLERK_JWKS_URL", "")
            .with("CLERK_SECRET_KEY", "")
            .with("CLERK_ISSUER", s.other.url().as_str().trim_end_matches('/'))
    }),
    ("a Backend API at an address that it lacks", "clerk-secret-key", |p, s| {
        p.with("CLERK_API_URL", format!("http://{}/404", s.stub))
    }),
    ("a Backend API that is a web page", "clerk-secret-key", |p, s| {
        p.with("CLERK_API_URL", format!("http://{}/200", s.stub))
    }),
    ("a Backend API of another version", "configuration", |p, _| {
        p.with("CLERK_API_URL", "https://api.clerk.com/v2")
    }),
    ("parties without a page that may call", "origins", |p, _| {
        p.with("CLERK_AUTHORIZED_PARTIES", "https://other.example.com")
    }),
    ("a misspelt parameter of the database's address", "configuration", |p, _| {
        p.with("HOLDFAST_DATABASE_URL", "postgres://db.example.com/holdfast?sslmod=verify-full")
    }),
    ("a port of its own", "configuration", |p, _| p.with("HOLDFAST_PORT", "3000")),
    ("a secret without an end", "configuration", |p, _| {
        p.with("HOLDFAST_FORWARD_AUTH_SECRET_FILE", "/dev/zero")
    }),
    ("an app secret of letters", "instagram-secret-form", |p, _| {
        p.with("INSTAGRAM_APP_SECRET", "not-a-hexadecimal-secret")
    }),
    ("a wrong app secret", "instagram-app", |p, _| {
        p.with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")
    }),
    ("a wrong app id", "instagram-app", |p, _| p.with("INSTAGRAM_APP_ID", "123456789012345")),
    ("a consent page that is not there", "instagram-authorize", |p, _| {
        p.with("INSTAGRAM_AUTHORIZE_URL", format!("{NOBODY}/oauth/authorize"))
    }),
    ("a consent page that was retired", "instagram-authorize", |p, s| {
        p.with("INSTAGRAM_AUTHORIZE_URL", format!("http://{}/404", s.stub))
    }),
    ("a token host that is not there", "instagram-token", |p, _| p.with("INSTAGRAM_API_URL", NOBODY)),
    ("a token host that is a web page", "instagram-token", |p, s| {
        p.with("INSTAGRAM_API_URL", format!("http://{}/404", s.stub))
    }),
    ("a Graph API that is not there", "instagram-graph", |p, _| p.with("INSTAGRAM_GRAPH_URL", NOBODY)),
    ("a Graph API that is a web page", "instagram-graph", |p, s| {
        p.with("INSTAGRAM_GRAPH_URL", format!("http://{}/404", s.stub))
    }),
    ("a version that was retired", "instagram-version", |p, _| p.with("INSTAGRAM_GRAPH_VERSION", "v12.0")),
    ("a misspelt scope", "instagram-scopes", |p, _| {
        p.with("INSTAGRAM_SCOPES", "instagram_business_basic,instagram_business_insight")
    }),
    ("a scope of the former API", "configuration", |p, _| p.with("INSTAGRAM_SCOPES", "user_profile")),
    ("the scope that every call needs is missing", "configuration", |p, _| {
        p.with("INSTAGRAM_SCOPES", "instagram_business_manage_insights")
    }),
    ("every address of the machine as the public one", "public-url", |p, _| {
        p.with("HOLDFAST_PUBLIC_URL", "http://0.0.0.0:8080")
    }),
    ("the web app's address as the public one", "public-url", |p, s| {
        p.with("HOLDFAST_PUBLIC_URL", format!("http://{}", s.stub))
            .with("INSTAGRAM_APP_ID", "")
            .with("INSTAGRAM_APP_SECRET", "")
    }),
    ("a receiver that is not there", "webhook-receiver", |p, _| {
        p.with("HOLDFAST_WEBHOOK_URL", NOBODY).with("HOLDFAST_WEBHOOK_SECRET", SECRET)
    }),
    ("a receiver at another path", "webhook-receiver", |p, s| {
        p.with("HOLDFAST_WEBHOOK_URL", format!("http://{}/404", s.stub))
            .with("HOLDFAST_WEBHOOK_SECRET", SECRET)
    }),
    ("a receiver that fails", "webhook-receiver", |p, s| {
        p.with("HOLDFAST_WEBHOOK_URL", format!("http://{}/500", s.stub))
            .with("HOLDFAST_WEBHOOK_SECRET", SECRET)
    }),
    ("a receiver that redirects", "webhook-receiver", |p, s| {
        p.with("HOLDFAST_WEBHOOK_URL", format!("http://{}/302", s.stub))
            .with("HOLDFAST_WEBHOOK_SECRET", SECRET)
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_seeded_fault_is_named_by_exactly_one_failing_check() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seeds = Seeds {
        outside: outside().await,
        other: outside().await.clerk,
        taken: taken.local_addr().unwrap(),
        stub: stub().await,
        free: ReservedPort::new(),
    };
    // Taken by a program that answers, and is none of ours.
    tokio::spawn(axum::serve(taken, Router::new()).into_future());
    assert!(FAULTS.len() >= 60, "{}", FAULTS.len());
    let mut wrong = Vec::new();
    for (name, code, change) in FAULTS {
        let healthy = installation_in(&seeds.outside);
        let usual = healthy.names().len();
        let place = change(healthy, &seeds);
        let changed = place.names().split_off(usual);
        let (_, ended) = run(place, &["doctor", "--json"]).await;
        let failed = codes(&ended, "failed");
        if ended.code != 1 || failed != [*code] {
            wrong.push(format!("{name}: wanted {code}, failed {failed:?}"));
        }
        // Following the remedy undoes the change, and the installation is healthy again.
        let told = remedy(&ended);
        if !changed.is_empty() && !changed.iter().any(|setting| told.contains(setting.as_str())) {
            wrong.push(format!("{name}: {told:?} does not name {changed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the failed check says, and what is to be done.
fn remedy(ended: &crate::testing::program::Ended) -> String {
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let failed: Vec<_> = checks.filter(|check| check["result"] == "failed").collect();
    failed.iter().map(|check| format!("{} {}", check["detail"], check["remedy"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faults_at_once_are_each_named() {
    let outside = outside().await;
    let place = installation_in(&outside)
        .with("INSTAGRAM_GRAPH_URL", NOBODY)
        .with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")
        .with("INSTAGRAM_AUTHORIZE_URL", format!("{NOBODY}/oauth/authorize"))
        .with("INSTAGRAM_SCOPES", "instagram_bussiness_basic")
        .with("INSTAGRAM_GRAPH_VERSION", "v12.0");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    let failed = codes(&ended, "failed");
    for code in ["instagram-graph", "instagram-app", "instagram-authorize", "configuration"] {
        assert!(failed.iter().any(|each| each == code), "{code}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_inside_the_database_is_found() {
    let outside = outside().await;
    let (place, _) = run(installation_in(&outside), &["migrate"]).await;
    let (place, _) = run(place, &["keys", "rotate"]).await;
    let (place, ended) =
        run(place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 8)), &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["key-ring"], "other bytes");
    let (place, ended) =
        run(place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2027", 7)), &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["key-ring"], "the key is missing");
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let file = place.path().join("holdfast.db");
    let change = |sql: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    change("DROP TABLE outbox");
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["schema"]);
    change("UPDATE schema_migrations SET checksum = x'00' WHERE version = 3");
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["schema"], "a migration of another program");
    let (place, ended) = run(place, &["serve"]).await;
    assert!(
        ended.code == 2 && ended.stderr.contains("migration 3 in the database differs"),
        "{}",
        ended.stderr
    );
    let database = rusqlite::Connection::open(place.path().join("holdfast.db")).unwrap();
    database.execute_batch("INSERT INTO schema_migrations VALUES (9999, 'later', x'00', 1)").unwrap();
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database"], "a newer schema");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_create_is_found_and_migrate_says_what_to_grant() {
    let outside = outside().await;
    let name = create_database(None).await;
    let role = format!("reader_{name}");
    let sql = format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role}"
    );
    crate::testing::database::execute(&server().url(&name), &sql).await.unwrap();
    let mut url: url::Url = server().url(&name).parse().unwrap();
    url.set_username(&role).unwrap();
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", url);
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database-role"], "{}", ended.stdout);
    let (_, ended) = run(place, &["migrate"]).await;
    assert!(
        ended.code == 2 && ended.stderr.contains(&format!("GRANT USAGE, CREATE ON SCHEMA public TO {role}")),
        "{}",
        ended.stderr
    );
}

/// An installation whose tables are there and belong to another role than its own, which has every
/// right to what is in them; with the address of the database for their owner, and its own role.
async fn as_guest(outside: &Outside) -> (Place, String, String) {
    let name = create_database(None).await;
    let (url, role) = (server().url(&name), format!("guest_{name}"));
    let (place, ended) =
        run(installation_in(outside).with("HOLDFAST_DATABASE_URL", url.as_str()), &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let sql = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    );
    crate::testing::database::execute(&url, &sql).await.unwrap();
    let mut as_role: url::Url = url.parse().unwrap();
    as_role.set_username(&role).unwrap();
    (place.with("HOLDFAST_DATABASE_URL", as_role), url, role)
}

/// As after a restore by the administrator, without `--no-owner`.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_does_not_own_the_tables_is_found_and_migrate_says_what_mends_it() {
    let outside = outside().await;
    let (place, url, role) = as_guest(&outside).await;
    let admin = async |sql: &str| crate::testing::database::execute(&url, sql).await.unwrap();
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    // The first is that the servers of these tests write nothing through to the disk.
    assert_eq!(
        (codes(&ended, "failed").len(), codes(&ended, "warning")),
        (0, vec!["database".to_owned(), "database-role".to_owned()])
    );

    of_the_version_before(&url).await;
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database-role"], "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("belong to holdfast, and {role} may not change them")));
    let (place, ended) = run(place, &["migrate"]).await;
    let remedy = format!(
        "run `holdfast migrate` as holdfast; or as a superuser, for each table of Holdfast: ALTER TABLE public.… OWNER TO {role}"
    );
    assert!(ended.code == 2 && ended.stderr.contains(&remedy), "{}", ended.stderr);
    admin(&format!(
        "DO $$ DECLARE each TEXT; BEGIN FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
         EXECUTE format('ALTER TABLE public.%I OWNER TO {role}', each); END LOOP; END $$"
    ))
    .await;
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "warning"), ["database"], "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_read_is_found_and_serve_names_who_says_what_to_grant() {
    let outside = outside().await;
    let name = create_database(None).await;
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", server().url(&name));
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let role = format!("looker_{name}");
    let right = |rights: &str| format!("GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}");
    let sql = format!("CREATE ROLE {role} LOGIN; {}", right("SELECT"));
    crate::testing::database::execute(&server().url(&name), &sql).await.unwrap();
    let mut url: url::Url = server().url(&name).parse().unwrap();
    url.set_username(&role).unwrap();
    let place = place.with("HOLDFAST_DATABASE_URL", url);
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database-role"], "{}", ended.stdout);
    let whole = right("SELECT, INSERT, UPDATE, DELETE");
    assert!(ended.stdout.contains(&whole), "{}", ended.stdout);
    let (place, ended) = run(place, &["serve"]).await;
    assert!(
        ended.code == 2 && ended.stderr.contains("`holdfast doctor` says what to grant"),
        "{}",
        ended.stderr
    );
    crate::testing::database::execute(&server().url(&name), &whole).await.unwrap();
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    // The schema is current, so that it may not create is for later.
    assert_eq!((codes(&ended, "failed").len(), ended.code), (0, 0), "{}", ended.stdout);
    // As `serve` begins: nothing is to be migrated, so nothing need be created.
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "The schema is up to date.\n"), "{}", ended.stderr);

    // Nobody else's tables, but one that is seldom read.
    let admin =
        async |sql: String| crate::testing::database::execute(&server().url(&name), &sql).await.unwrap();
    admin(format!("REVOKE SELECT ON audit FROM {role}")).await;
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database-role"], "{}", ended.stdout);
    assert!(ended.stdout.contains("lacks SELECT on table audit"), "{}", ended.stdout);
    admin(whole).await;
    let mut place = place;
    for limit in [1, 2, 5] {
        admin(format!("ALTER ROLE {role} CONNECTION LIMIT {limit}")).await;
        // A connection of the run before is counted until Postgres has learnt of its end.
        let its = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{role}'");
        until("it has none", async || count_on(Engine::Postgres, &server().url(&name), &its).await == 0)
            .await;
        let ended;
        (place, ended) = run(place, &["doctor", "--json"]).await;
        assert_eq!(codes(&ended, "failed"), ["database-pool"], "{limit}: {}", ended.stdout);
    }
    admin(format!(
        "ALTER ROLE {role} CONNECTION LIMIT -1; ALTER ROLE {role} SET default_transaction_read_only = on"
    ))
    .await;
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database"], "as on a standby: {}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_answering_is_no_fault_of_the_schema() {
    use sqlx::{Connection as _, Executor as _};
    let outside = outside().await;
    let name = create_database(None).await;
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", server().url(&name));
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut other = sqlx::PgConnection::connect(&server().url(&name)).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database"], "{}", ended.stdout);
    assert!(ended.stdout.contains("does not answer in time"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_program_are_named_and_left_alone() {
    let outside = outside().await;
    let name = create_database(None).await;
    crate::testing::database::execute(&server().url(&name), "CREATE TABLE users (id BIGINT)").await.unwrap();
    let sqlite = installation_in(&outside);
    let file = sqlite.path().join("holdfast.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE users (id INTEGER)").unwrap();
    let postgres = installation_in(&outside).with("HOLDFAST_DATABASE_URL", server().url(&name));
    for place in [sqlite, postgres] {
        let (place, ended) = run(place, &["doctor", "--json"]).await;
        assert_eq!(codes(&ended, "failed"), ["schema"], "{}", ended.stdout);
        assert!(ended.stdout.contains("names that Holdfast uses: users"), "{}", ended.stdout);
        for command in ["migrate", "serve"] {
            let refused = place.run(&[command]);
            assert_eq!(refused.code, 2, "{command}: {}", refused.stderr);
            assert!(
                refused.stderr.contains("give Holdfast a database of its own"),
                "{command}: {}",
                refused.stderr
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_waits_for_the_first_start_is_no_fault() {
    let outside = outside().await;
    let stub = stub().await;
    let place = installation_in(&outside)
        .with("HOLDFAST_PUBLIC_URL", format!("http://{stub}/502"))
        .with("INSTAGRAM_APP_ID", "")
        .with("INSTAGRAM_APP_SECRET", "");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((codes(&ended, "failed").len(), ended.code), (0, 0), "{}", ended.stdout);
    assert!(ended.stdout.contains("no server runs behind it yet"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_machine_is_one_fault_also_where_it_answers() {
    let outside = outside().await;
    let place = installation_in(&outside)
        .with("HOLDFAST_LISTEN", "192.0.2.1:8080")
        .with("HOLDFAST_PUBLIC_URL", "")
        .with("INSTAGRAM_APP_ID", "")
        .with("INSTAGRAM_APP_SECRET", "");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["listen"], "{}", ended.stdout);
}

/// Ours, hung, as well as another's.
#[tokio::test(flavor = "multi_thread")]
async fn ports_that_are_held_without_an_answer_leave_time_for_the_rest() {
    // Both ports are asked at once, for 2.5 s, and the metrics for another 5 s. One port after the
    // other, that would be ten seconds.
    const IN_TIME: std::time::Duration = std::time::Duration::from_millis(9_800);
    let outside = outside().await;
    let held = [ReservedPort::new(), ReservedPort::new()];
    let _holders = held.each_ref().map(|port| std::net::TcpListener::bind(port.address()).unwrap());
    let place = installation_in(&outside)
        .with("HOLDFAST_LISTEN", held[0].address().to_string())
        .with("HOLDFAST_METRICS_LISTEN", held[1].address().to_string());
    let (mut place, mut took) = (place, Vec::new());
    // A busy machine may take longer, but not each time.
    while took.iter().all(|each| *each >= IN_TIME) {
        assert!(took.len() < 5, "everything else has twelve seconds, of fifteen: {took:?}");
        let began = std::time::Instant::now();
        let ended;
        (place, ended) = run(place, &["doctor", "--json"]).await;
        took.push(began.elapsed());
        assert_eq!(codes(&ended, "failed"), ["listen", "metrics-listen"], "{}", ended.stdout);
        assert!(ended.stdout.contains("a program that does not answer"), "{}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishable_key_whose_host_is_not_there_is_a_warning_where_the_backend_api_serves() {
    let outside = outside().await;
    let place = installation_in(&outside)
        .with("CLERK_JWKS_URL", "")
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_bm8tc3VjaC1ob3N0LmludmFsaWQk");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(codes(&ended, "warning").contains(&"clerk-keys".to_owned()), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hides_tables_from_the_role_is_named() {
    let outside = outside().await;
    let (mut place, url, role) = as_guest(&outside).await;
    let admin = async |sql: &str| crate::testing::database::execute(&url, sql).await.unwrap();
    for (change, failed, told, back) in [
        (
            "ALTER TABLE grants ENABLE ROW LEVEL SECURITY".to_owned(),
            &["database-role"][..],
            format!("{role} lacks BYPASSRLS on table grants"),
            "ALTER TABLE grants DISABLE ROW LEVEL SECURITY".to_owned(),
        ),
        (
            // The schema that a search path of `"$user", public` names first.
            format!("CREATE SCHEMA {role} AUTHORIZATION {role}"),
            &[],
            "every index is there".to_owned(),
            format!("DROP SCHEMA {role}"),
        ),
        (
            format!("ALTER ROLE {role} SET search_path = nowhere"),
            &["database-role"],
            "search_path names no schema that exists".to_owned(),
            format!("ALTER ROLE {role} RESET search_path"),
        ),
        (
            format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"),
            &["database-role"],
            format!("ON ALL TABLES IN SCHEMA public TO {role}"),
            "SELECT 1".to_owned(),
        ),
    ] {
        admin(&change).await;
        let ended;
        (place, ended) = run(place, &["doctor", "--json"]).await;
        assert_eq!(codes(&ended, "failed"), failed, "{change}: {}", ended.stdout);
        assert!(ended.stdout.contains(&told), "{change}: {}", ended.stdout);
        admin(&back).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_a_standby_that_is_away_are_named() {
    let outside = outside().await;
    let server = OwnServer::start();
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", server.url());
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let _standby = server.standby();
    let mut place = place;
    for (names, follow, failed) in [
        ("away", 0, &["database"][..]),
        // One follows.
        ("FIRST 2 (*)", 1, &["database"]),
        ("2 (*)", 1, &["database"]),
        ("any 1(*)", 1, &[]),
        ("*", 1, &[]),
    ] {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        for sql in [set.as_str(), "SELECT pg_reload_conf()"] {
            crate::testing::database::execute(&server.url(), sql).await.unwrap();
        }
        let set = format!(
            "SELECT COUNT(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = '{names}' AND {follow} = \
             (SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))"
        );
        until("it is set", async || count_on(Engine::Postgres, &server.url(), &set).await == 1).await;
        let ended;
        (place, ended) = run(place, &["doctor", "--json"]).await;
        assert_eq!(codes(&ended, "failed"), failed, "{names}: {}", ended.stdout);
        let is_told = ended.stdout.contains("ALTER SYSTEM RESET synchronous_standby_names");
        assert_eq!(is_told, !failed.is_empty(), "{names}: {}", ended.stdout);
    }
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert!(ended.stdout.contains("with fsync and full_page_writes off, a crash"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("guarantee durability"), "{}", ended.stdout);
}
