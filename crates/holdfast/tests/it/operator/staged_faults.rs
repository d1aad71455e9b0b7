//! Faults that no setting makes: of the way to the server, of Instagram's app, of the disk, the
//! clock and the database. Each is named by exactly one failing check, and gone once its remedy is
//! followed.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use holdfast::clock::SystemClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, UsageFigures};
use holdfast::transport::{Outgoing, Transport as _};
use http::{HeaderValue, Method, header};
use tempfile::TempDir;

use super::staged_troubles::fill;
use crate::cli::doctor::{codes, run};
use crate::outbox::endpoint::SECRET;
use crate::testing::app::App;
use crate::testing::database::{self, Engine, execute_on};
use crate::testing::ports::ReservedPort;
use crate::testing::program::{Ended, Place, installation_in, outside};
use crate::testing::waiting::until;
use holdfast::standin::Outside;

/// A proxy before a server, stopped when dropped.
struct Nginx {
    port: ReservedPort,
    process: Child,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// `listen` stands behind the port; `rules` in the server's block.
    async fn start(listen: &str, rules: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = ReservedPort::new();
        let address = port.address();
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {name};\n"))
            .collect();
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {{}}\n\
             http {{ access_log off; {places} server {{ listen {address} {listen};\n{rules}\n}} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let process = Command::new("nginx")
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx: `apt-get install nginx-light`");
        until("nginx listens", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        Self { port, process, _folder: folder }
    }

    fn port(&self) -> u16 {
        self.port.address().port()
    }
}

/// The installation of a server that runs in this process, without Instagram, reached at `public`.
fn installation(app: &App, public: &str) -> Place {
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let place =
        place.with("INSTAGRAM_APP_ID", "").with("INSTAGRAM_APP_SECRET", "").with("INSTAGRAM_SCOPES", "");
    place.with("HOLDFAST_LISTEN", "127.0.0.1:0").with("HOLDFAST_PUBLIC_URL", public)
}

async fn doctor(place: Place) -> Ended {
    run(place, &["doctor", "--json"]).await.1
}

fn assert_failed(ended: &Ended, wanted: &[&str], why: &str) {
    assert_eq!(codes(ended, "failed"), wanted, "{why}: {}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_spoils_is_found_through_the_public_address() {
    let app = App::start().await;
    app.is_ready().await;
    let server = app.base.as_str().trim_end_matches('/');
    let pass = format!("proxy_pass {server};");
    let faults: [(&str, &str, &[&str]); 6] = [
        ("a proxy that passes everything on", "location / { PASS }", &[]),
        (
            "a proxy that answers preflights itself",
            "location / { if ($request_method = OPTIONS) { return 405; } PASS }",
            &["cors"],
        ),
        (
            "a proxy that adds leave of its own",
            "location / { add_header Access-Control-Allow-Origin * always; PASS }",
            &["cors"],
        ),
        (
            "a proxy that sends the refused to a page",
            "location / { PASS }\nlocation /forward-auth { PASS proxy_intercept_errors on; error_page 401 =302 /sign-in; }",
            &["forward-auth"],
        ),
        (
            "a proxy that lets everybody pass",
            "location / { PASS }\nlocation /forward-auth { return 200; }",
            &["forward-auth"],
        ),
        ("a proxy that leads elsewhere", "location / { return 200 'hello'; }", &["public-url"]),
    ];
    for (name, rules, wanted) in faults {
        let proxy = Nginx::start("", &rules.replace("PASS", &pass)).await;
        let ended = doctor(installation(&app, &format!("http://localhost:{}", proxy.port()))).await;
        assert_failed(&ended, wanted, name);
        if wanted.is_empty() {
            let passed = codes(&ended, "ok");
            for code in ["public-url", "cors", "forward-auth"] {
                assert!(passed.iter().any(|each| each == code), "{code}: {}", ended.stdout);
            }
        }
    }
}

/// A certificate for `host`, of an authority of its own, for so many days.
fn certificate(folder: &TempDir, host: &str, days: &str) {
    let script = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority && \
         openssl req -newkey rsa:2048 -nodes -keyout {host}.key -out {host}.csr -subj /CN={host} && \
         printf 'subjectAltName=DNS:{host}' > {host}.ext && \
         openssl x509 -req -in {host}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile {host}.ext \
           -out {host}.pem"
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_accepted_has_a_check_of_its_own() {
    let app = App::start().await;
    let server = app.base.as_str().trim_end_matches('/');
    for (host, days, is_trusted, says) in [
        ("localhost", "2", true, ""),
        ("localhost", "2", false, "its issuer is unknown"),
        ("localhost", "0", true, "it has expired"),
        ("other.example", "2", true, "it is for another host"),
    ] {
        let folder = TempDir::new().unwrap();
        certificate(&folder, host, days);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let rules = format!(
            "ssl_certificate {}; ssl_certificate_key {};\nlocation / {{ proxy_pass {server}; }}",
            at(&format!("{host}.pem")),
            at(&format!("{host}.key"))
        );
        let proxy = Nginx::start("ssl", &rules).await;
        if days == "0" {
            // It is good for this very second.
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
        let mut place = installation(&app, &format!("https://localhost:{}", proxy.port()));
        if is_trusted {
            place = place.with("SSL_CERT_FILE", at("ca.pem"));
        }
        let ended = doctor(place).await;
        assert_failed(&ended, if says.is_empty() { &[] } else { &["certificate"] }, host);
        assert!(ended.stdout.contains(says), "{says}: {}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_address_that_meta_does_not_know_is_named() {
    let outside = outside().await;
    let body = r#"{"error_type":"OAuthException","code":400,"error_message":"Invalid redirect_uri"}"#;
    outside.instagram.script(None, Endpoint::Token, 400, body, Some(1)).unwrap();
    let ended = doctor(installation_in(&outside)).await;
    assert_failed(&ended, &["instagram-redirect"], "not registered");
    assert!(ended.stdout.contains("https://api.example.com/instagram/callback"), "{}", ended.stdout);
    assert_failed(&doctor(installation_in(&outside)).await, &[], "registered by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_graph_api_says_of_app_and_version_is_told() {
    let outside = outside().await;
    for (code, message, wanted) in [
        (200, "API access deactivated. To reactivate, go to the app dashboard.", "instagram-app"),
        (2500, "Unknown path components: /v25.0/me", "instagram-version"),
        (2635, "You are calling a deprecated version of the API.", "instagram-version"),
    ] {
        let body = format!(r#"{{"error":{{"type":"OAuthException","code":{code},"message":"{message}"}}}}"#);
        outside.instagram.script(None, Endpoint::Me, 400, &body, Some(1)).unwrap();
        assert_failed(&doctor(installation_in(&outside)).await, &[wanted], message);
    }
    assert_failed(&doctor(installation_in(&outside)).await, &[], "all is well by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_is_taken_away_under_the_server_is_named() {
    let app = App::start().await;
    let place = installation(&app, app.base.as_str().trim_end_matches('/'));
    let place = place.with("HOLDFAST_LISTEN", app.address().to_string());
    let (place, healthy) = run(place, &["doctor", "--json"]).await;
    assert_failed(&healthy, &[], "healthy");
    let file = app.place.directory.path().join("holdfast.db");
    let away = app.place.directory.path().join("away.db");
    std::fs::rename(&file, &away).unwrap();
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_failed(&ended, &["database"], "its file is gone");
    assert!(ended.stdout.contains("put it back where it was"), "{}", ended.stdout);
    std::fs::rename(&away, &file).unwrap();
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_failed(&ended, &[], "it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_named_with_the_seconds() {
    let outside = outside().await;
    let asked = Outgoing::new(Method::GET, outside.clerk.jwks_url());
    let keys = holdfast::transport::ReqwestTransport::new().unwrap().send(asked).await.unwrap().body;
    // The same keys, from a server whose time is two minutes on.
    let answer = async move || {
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(120);
        let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        ([(header::DATE, HeaderValue::from_str(&date).unwrap())], keys.clone())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().route("/keys", get(answer))).into_future());
    let ended =
        doctor(installation_in(&outside).with("CLERK_JWKS_URL", format!("http://{address}/keys"))).await;
    assert_failed(&ended, &["clock"], "two minutes behind");
    assert!(ended.stdout.contains("s behind Clerk's"), "{}", ended.stdout);
}

/// The `Date` of what a cache kept is of when it was kept.
#[tokio::test(flavor = "multi_thread")]
async fn keys_out_of_a_cache_are_no_fault_of_the_clock() {
    let outside = outside().await;
    let asked = Outgoing::new(Method::GET, outside.clerk.jwks_url());
    let keys = holdfast::transport::ReqwestTransport::new().unwrap().send(asked).await.unwrap().body;
    let answer = async move || {
        let kept = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(90);
        let date = kept.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let date = HeaderValue::from_str(&date).unwrap();
        ([(header::DATE, date), (header::AGE, HeaderValue::from_static("90"))], keys.clone())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().route("/keys", get(answer))).into_future());
    let ended =
        doctor(installation_in(&outside).with("CLERK_JWKS_URL", format!("http://{address}/keys"))).await;
    assert_failed(&ended, &[], "the clock is right");
}

/// An installation with its database and its journal in the directory `disk`.
fn all_on_the_disk(outside: &Outside) -> Place {
    installation_in(outside)
        .with("HOLDFAST_DATABASE_URL", "sqlite://disk/holdfast.db")
        .with("HOLDFAST_JOURNAL_DIR", "disk/journal")
}

/// Shell commands that give the directory `disk` a disk of this size.
fn disk_of(size: &str) -> String {
    format!("mkdir -p disk && mount -t tmpfs -o size={size} none disk")
}

/// Every command names the disk, and none the rights of files.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_on_a_full_disk_is_told_as_that() {
    let outside = outside().await;
    let place = all_on_the_disk(&outside);
    let ended = tokio::task::spawn_blocking(move || {
        let whole = "export HOLDFAST_DATABASE_URL=sqlite://whole.db; \"$0\" migrate >/dev/null && \
                     \"$0\" backup copy.db >/dev/null";
        let copied = place.run_in_own_mounts(whole, &["--version"]);
        assert_eq!(copied.code, 0, "{}", copied.whole());
        // As after a clean stop, without a log. By single pages: where a larger write finds no room,
        // pages are left.
        let full = format!(
            "{} && cp copy.db disk/holdfast.db && \
             for each in 1 2; do dd if=/dev/zero of=disk/fill-$each bs=4k 2>/dev/null || true; done",
            disk_of("4m")
        );
        let looked = place.run_in_own_mounts(&full, &["doctor", "--json"]);
        let listed = place.run_in_own_mounts(&full, &["connections", "list"]);
        let served = place.run_in_own_mounts(&full, &["serve"]);
        let restored = place.run_in_own_mounts(&disk_of("64k"), &["restore", "copy.db"]);
        (looked, [listed, served], restored)
    });
    let (looked, opened, restored) = ended.await.unwrap();
    assert_failed(&looked, &["disk"], "full");
    for each in opened {
        let told = "the disk of the database file disk/holdfast.db is full";
        assert!(each.code == 2 && each.stderr.contains(told), "{}", each.whole());
    }
    let told = "no room for the copy on the disk of disk/holdfast.db";
    assert!(restored.code == 2 && restored.stderr.contains(told), "{}", restored.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_is_named() {
    let outside = outside().await;
    let place = all_on_the_disk(&outside);
    let ended = tokio::task::spawn_blocking(move || {
        ["32m", "128m"].map(|size| place.run_in_own_mounts(&disk_of(size), &["doctor", "--json"]))
    });
    let [full, roomy] = ended.await.unwrap();
    assert!(full.stderr.is_empty(), "a mount namespace is needed: {}", full.stderr);
    assert_failed(&full, &["disk"], "32 MiB");
    assert_failed(&roomy, &[], "128 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_one_fault_and_takes_no_half_backup() {
    let outside = outside().await;
    let place = installation_in(&outside).with("HOLDFAST_JOURNAL_DIR", "disk/journal");
    let (place, migrated) = run(place, &["migrate"]).await;
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    let ended = tokio::task::spawn_blocking(move || {
        let small = disk_of("64k");
        let fill = format!("{small} && (head -c 1m /dev/zero > disk/fill || true) 2>/dev/null");
        let looked = place.run_in_own_mounts(&fill, &["doctor", "--json"]);
        let copied = place.run_in_own_mounts(&small, &["backup", "disk/copy.db"]);
        let again = format!("{small} && (\"$0\" backup disk/copy.db 2>/dev/null; ls -A disk > left)");
        let _ = place.run_in_own_mounts(&again, &["--version"]);
        (looked, copied, std::fs::read_to_string(place.path().join("left")).unwrap())
    });
    let (looked, copied, left) = ended.await.unwrap();
    assert_failed(&looked, &["disk"], "full");
    assert_eq!(copied.code, 2, "{}", copied.stderr);
    assert!(copied.stderr.contains("no room for the copy on the disk of disk/copy.db"), "{}", copied.stderr);
    assert_eq!(left, "", "half a copy stands in the way of the next, and may be taken for a whole one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_does_not_open_and_an_index_that_is_gone_are_named() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let place = database::Place::new(engine).await;
        let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
        app.sign_in(Person::Ada).connect_account("ada.makes").await;
        let public = app.base.as_str().trim_end_matches('/').to_owned();
        let look = async |wanted: &[&str], why: &str| {
            assert_failed(&doctor(installation(&app, &public)).await, wanted, &format!("{engine:?}: {why}"));
        };
        look(&[], "healthy").await;
        execute_on(&app.place, "DROP INDEX connections_due").await;
        let ended = doctor(installation(&app, &public)).await;
        assert_failed(&ended, &["indexes"], "an index was dropped");
        let (_, remedy) = ended.stdout.split_once("run: ").expect("the remedy");
        execute_on(&app.place, remedy.split_once(';').expect("a statement").0).await;
        look(&[], "the index is back").await;
        let flip = match engine {
            Engine::Sqlite => "UPDATE grants SET blob = zeroblob(length(blob))",
            Engine::Postgres => {
                "UPDATE grants SET blob = set_byte(blob, length(blob) - 1, 255 - get_byte(blob, length(blob) - 1))"
            }
        };
        execute_on(&app.place, flip).await;
        let ended = doctor(installation(&app, &public)).await;
        assert_failed(&ended, &["sealed"], "a bit was flipped");
        // Giving up the key would cost everybody else their grants.
        assert!(!ended.stdout.contains("--lost"), "{}", ended.stdout);
        assert!(ended.stdout.contains("`grant_unreadable`"), "{}", ended.stdout);
    }
}

/// Neither is seen by looking at the database alone, or can wait until the morning.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_and_an_incident_fail_a_check() {
    let mut place = database::Place::new(Engine::Sqlite).await;
    place.url.push_str("?max_page_count=200");
    let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let database = rusqlite::Connection::open(app.place.directory.path().join("holdfast.db")).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, app.operator.clone()).into_future());
    let public = app.base.as_str().trim_end_matches('/').to_owned();
    let asked = || installation(&app, &public).with("HOLDFAST_METRICS_LISTEN", metrics.as_str());
    let begins = "UPDATE connections SET state = 'degraded', reason = 'provider_incident'";
    database.execute_batch(begins).unwrap();
    app.overview.look().await.unwrap();
    assert_failed(&doctor(asked()).await, &["incident"], "an incident");
    database.execute_batch("UPDATE connections SET state = 'connected', reason = NULL").unwrap();
    app.overview.look().await.unwrap();
    fill(&app).await;
    let ended = doctor(asked()).await;
    assert_failed(&ended, &["server"], "a full database");
    assert!(ended.stdout.contains("docs/guides/alerts.md#holdfastdatabasefull"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_running_server_knows_is_asked_of_it() {
    let app = App::with(&[("HOLDFAST_CHECK_INTERVAL_S", "0")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, app.operator.clone()).into_future());
    let public = app.base.as_str().trim_end_matches('/').to_owned();
    let asked = || installation(&app, &public).with("HOLDFAST_METRICS_LISTEN", metrics.as_str());
    let healthy = doctor(asked()).await;
    assert_failed(&healthy, &[], "healthy");
    assert!(codes(&healthy, "ok").contains(&"budget".to_owned()), "{}", healthy.stdout);

    // The server may not write where doctor's user may.
    let journal = app.place.directory.path().join("journal");
    let _ = std::fs::remove_dir_all(&journal);
    std::fs::write(&journal, "a file where the directory was").unwrap();
    app.overview.look().await.unwrap();
    let elsewhere = app.place.directory.path().join("elsewhere").display().to_string();
    let ended = doctor(asked().with("HOLDFAST_JOURNAL_DIR", elsewhere)).await;
    assert_failed(&ended, &["server"], "the server's journal");
    assert!(ended.stdout.contains("docs/guides/alerts.md#holdfastjournalunwritable"), "{}", ended.stdout);
    std::fs::remove_file(&journal).unwrap();
    app.overview.look().await.unwrap();

    app.instagram.set_usage(UsageFigures { app_percent: Some(100), ..UsageFigures::default() });
    ada.check().await;
    let mut preflight = Outgoing::new(Method::OPTIONS, app.base.join("user/profile").unwrap());
    preflight.headers.insert(header::ORIGIN, HeaderValue::from_static("https://www.app.example.com"));
    app.send(preflight).await;
    let ended = doctor(asked()).await;
    assert_failed(&ended, &["budget"], "spent");
    assert!(codes(&ended, "warning").contains(&"refused-origins".to_owned()), "{}", ended.stdout);
    assert!(ended.stdout.contains("https://www.app.example.com called at"), "{}", ended.stdout);
}

/// The log of what a restore adds may find room, and the file that takes it over none.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_nearly_full_a_restore_is_whole_or_none() {
    let outside = outside().await;
    let place = all_on_the_disk(&outside)
        .with("HOLDFAST_WEBHOOK_URL", "https://app.example.com/events")
        .with("HOLDFAST_WEBHOOK_SECRET", SECRET);
    let ended = tokio::task::spawn_blocking(move || {
        let first = "export HOLDFAST_DATABASE_URL=sqlite://first.db; \"$0\" migrate >/dev/null";
        let made = place.run_within(first, &["--version"]);
        assert_eq!(made.code, 0, "{}", made.whole());
        let file = |name: &str| rusqlite::Connection::open(place.path().join(name)).unwrap();
        let copy = place.path().join("copy.db");
        file("first.db")
            .execute_batch(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO users (id, \
                 created_at, updated_at) SELECT 'user_' || i, 1, 1 FROM n; INSERT INTO connections (id, user_id, provider, \
                 state, scopes, missing_scopes, since, version) SELECT printf('00000000-0000-7000-8000-%012d', rowid), id, \
                 'instagram', 'not_connected', '[]', '[]', 1, 4 FROM users; VACUUM INTO '{}'",
                copy.display()
            ))
            .unwrap();
        let mut codes = Vec::new();
        for size in (1500..4100).step_by(200) {
            let before = format!(
                "{} && (\"$0\" restore copy.db; echo $? > code) 2>told >/dev/null; cp disk/holdfast.db* . 2>/dev/null; true",
                disk_of(&format!("{size}k"))
            );
            place.run_in_own_mounts(&before, &["--version"]);
            let code = std::fs::read_to_string(place.path().join("code")).unwrap();
            let told = std::fs::read_to_string(place.path().join("told")).unwrap();
            let restored = place.path().join("holdfast.db");
            if code.trim() == "0" {
                let whole = file("holdfast.db")
                    .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
                assert_eq!(whole.as_deref(), Ok("ok"), "{size}");
                let events = file("holdfast.db")
                    .query_row("SELECT COUNT(*) FROM outbox", [], |row| row.get::<_, i64>(0));
                assert_eq!(events, Ok(4000), "{size}");
                std::fs::remove_file(&restored).unwrap();
            } else {
                assert!(told.contains("no room for the copy"), "{size}: {told}");
            }
            assert!(!restored.exists(), "{size}");
            codes.push(code.trim().to_owned());
        }
        codes
    });
    let codes = ended.await.unwrap();
    assert!(codes.contains(&"0".to_owned()) && codes.contains(&"2".to_owned()), "{codes:?}");
}
