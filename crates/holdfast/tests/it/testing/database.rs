//! A database for one test, on either engine: real, migrated, its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use holdfast::clock::ManualClock;
use holdfast::store::{Store, StoreOptions};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

use super::leaks::Watch;
use super::postgres_server::server;
use super::waiting::PATIENCE;

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        })
    }
}

/// When tests begin.
pub fn start_of_time() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

/// A database of a test's own that nobody has opened yet; gone when dropped. On Postgres it is
/// migrated already.
#[derive(Debug)]
pub struct Place {
    pub engine: Engine,
    pub url: String,
    /// The SQLite file's; a test may write its own files there, on either engine.
    pub directory: TempDir,
    _database: Option<PostgresDatabase>,
}

impl Place {
    pub async fn new(engine: Engine) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let (url, database) = match engine {
            Engine::Sqlite => (format!("sqlite://{}", directory.path().join("holdfast.db").display()), None),
            Engine::Postgres => {
                let name = create_database(Some(&template().await)).await;
                (server().url(&name), Some(PostgresDatabase { name }))
            }
        };
        Self { engine, url, directory, _database: database }
    }

    /// An empty database on the test server, not migrated.
    pub async fn empty() -> Self {
        let name = create_database(None).await;
        Self {
            url: server().url(&name),
            _database: Some(PostgresDatabase { name }),
            ..Self::at(String::new())
        }
    }

    /// A Postgres database that somebody else sees to.
    pub fn at(url: String) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        Self { engine: Engine::Postgres, url, directory, _database: None }
    }

    /// All that is stored, to be searched: each file of the directory and each table of the
    /// Postgres database, by name.
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = files(self.directory.path());
        if self.engine == Engine::Postgres {
            all.extend(apart(tables(self.url.clone())));
        }
        all
    }
}

/// Dropped on the server when dropped here.
#[derive(Debug)]
struct PostgresDatabase {
    name: String,
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        apart(async move {
            // Not worth failing a test for, and not while one is failing: the server goes with its
            // last user.
            let Ok(mut admin) = PgConnection::connect(&server().url("postgres")).await else { return };
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await {
                eprintln!("the test's database stays: {error}");
            }
        });
    }
}

/// Runs `work` to its end on a thread of its own: where a value is dropped, nothing can be awaited.
fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(work)
    };
    std::thread::spawn(work).join().expect("the work is done")
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the test's directory") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    all
}

/// Every row of every table, blobs as their bytes where those are letters.
async fn tables(url: String) -> Vec<(String, Vec<u8>)> {
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    let columns = sqlx::query(
        "SELECT table_name::text AS table_name, string_agg(CASE data_type WHEN 'bytea' THEN format('encode(%I, ''escape'')', column_name) \
         ELSE format('%I::text', column_name) END, ', ') AS columns FROM information_schema.columns \
         WHERE table_schema = 'public' GROUP BY table_name",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the tables");
    let mut all = Vec::new();
    for table in columns {
        let name: String = table.get("table_name");
        let sql = format!("SELECT concat_ws(' ', {}) AS line FROM {name}", table.get::<String, _>("columns"));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("the rows");
        let lines: Vec<String> = rows.iter().map(|row| row.get("line")).collect();
        all.push((name, lines.join("\n").into_bytes()));
    }
    all
}

/// A migrated database of a test's own, opened.
#[derive(Debug)]
pub struct TestDb {
    pub engine: Engine,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub options: StoreOptions,
    pub directory: TempDir,
    /// Dropped last.
    _database: Option<PostgresDatabase>,
    _watch: Watch,
}

impl TestDb {
    /// A database on `engine`, migrated.
    pub async fn new(engine: Engine) -> Self {
        let watch = Watch::start();
        let Place { url, directory, _database: database, .. } = Place::new(engine).await;
        let clock = Arc::new(ManualClock::new(start_of_time()));
        let options = StoreOptions::serve(url);
        let store = Store::open(&options, clock.clone()).await.expect("the test's database opens");
        store.migrate().await.expect("the test's database migrates");
        Self { engine, store, clock, options, directory, _database: database, _watch: watch }
    }

    /// Another store on the same database, as another replica has it. On SQLite as a tool has it:
    /// one process serves.
    pub async fn replica(&self) -> Store {
        let options = StoreOptions { exclusive: false, ..self.options.clone() };
        Store::open(&options, self.clock.clone()).await.expect("the test's database opens once more")
    }

    /// The SQLite file; its log has `-wal` behind the name.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("holdfast.db")
    }

    /// Runs SQL behind the store's back.
    pub async fn execute(&self, sql: &str) {
        let url = secrecy::ExposeSecret::expose_secret(&self.options.url);
        match self.engine {
            Engine::Sqlite => {
                let sql = AssertSqlSafe(sql.to_owned());
                let mut connection = sqlx::SqliteConnection::connect(url).await.expect("a connection");
                sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statement runs");
                connection.close().await.expect("the connection closes");
            }
            Engine::Postgres => execute(url, sql).await.expect("the statement runs"),
        }
    }

    /// The one number that `sql` selects.
    pub async fn count(&self, sql: &str) -> i64 {
        count_on(self.engine, secrecy::ExposeSecret::expose_secret(&self.options.url), sql).await
    }

    /// Ends the store and removes the database.
    pub async fn remove(self) {
        self.store.close().await;
    }
}

/// The one number that `sql` selects from the database at `url`.
pub async fn count_on(engine: Engine, url: &str, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    match engine {
        Engine::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(url).await.expect("a connection");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the statement runs")
        }
        Engine::Postgres => {
            let mut connection = PgConnection::connect(url).await.expect("a connection");
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the statement runs")
        }
    }
}

/// Lets each row of a Postgres table take 3 ms, so that two thousand are as long as a hundred
/// thousand: longer than a statement may take.
pub async fn slow(db: &TestDb, table: &str, act: &str) {
    db.execute(&format!(
        "CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(0.003); IF TG_OP = ''DELETE'' THEN RETURN OLD; END IF; RETURN NEW; END'; \
         CREATE TRIGGER slow_{table} BEFORE {act} ON {table} FOR EACH ROW EXECUTE FUNCTION dawdle()"
    ))
    .await;
}

/// Runs `test` on a new database of each engine, one after the other.
pub async fn on_each_engine(test: impl AsyncFn(&TestDb)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        // Shown only if the test fails.
        eprintln!("on {engine}");
        let db = TestDb::new(engine).await;
        test(&db).await;
        db.remove().await;
    }
}

/// A new Postgres database, empty or copied.
pub async fn create_database(template: Option<&str>) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = admin().await;
    // A process of that number may have been killed before.
    for sql in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        match template {
            Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"),
            None => format!("CREATE DATABASE {name}"),
        },
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("a database for the test");
    }
    name
}

/// Address of a Postgres database of that name.
pub fn postgres_url(name: &str) -> String {
    server().url(name)
}

/// Changes what is stored, on either engine.
pub async fn execute_on(place: &Place, sql: &str) {
    match place.engine {
        Engine::Postgres => execute(&place.url, sql).await.expect("the statement runs"),
        Engine::Sqlite => {
            let file = place.url.trim_start_matches("sqlite://");
            let database = rusqlite::Connection::open(file).expect("the file opens");
            database.busy_timeout(PATIENCE).expect("a limit");
            database.execute_batch(sql).expect("the statement runs");
        }
    }
}

/// Runs SQL on a Postgres database behind everybody's back.
pub async fn execute(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

async fn admin() -> PgConnection {
    PgConnection::connect(&server().url("postgres")).await.expect("the test server lets us in")
}

/// A migrated database to copy from: migrating once per server instead of once per test. Named by
/// what it was made from.
async fn template() -> String {
    static MADE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(make_template).await.clone()
}

async fn make_template() -> String {
    let mut migrations: Vec<PathBuf> = std::fs::read_dir(MIGRATIONS)
        .expect("the migrations")
        .map(|entry| entry.expect("a migration").path())
        .collect();
    migrations.sort();
    let texts: Vec<u8> =
        migrations.iter().flat_map(|path| std::fs::read(path).expect("a migration's text")).collect();
    let hash = digest(&SHA256, &texts);
    let start = hash.as_ref().first_chunk().expect("a hash has 32 bytes");
    let name = format!("holdfast_template_{:016x}", u64::from_be_bytes(*start));
    let _setup = server().lock_setup();
    let mut admin = admin().await;
    let found = sqlx::query("SELECT COUNT(*) AS amount FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("the list of databases");
    if found.get::<i64, _>("amount") == 0 {
        let building = create_database(None).await;
        let clock = Arc::new(ManualClock::new(start_of_time()));
        let store =
            Store::open(&StoreOptions::serve(server().url(&building)), clock).await.expect("it opens");
        store.migrate().await.expect("it migrates");
        store.close().await;
        let finish = format!("ALTER DATABASE {building} RENAME TO {name}");
        // The listener's connection ends a moment after the store.
        let end =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'");
        for sql in [end, finish] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("the template is named");
        }
    }
    name
}
