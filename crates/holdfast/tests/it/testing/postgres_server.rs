//! A Postgres server for tests: on `/dev/shm`, over a unix socket only, shared by every test
//! process of this machine.
//!
//! The first process starts it, under a lock. Every process that uses it holds a shared lock for as
//! long as it lives; a small watcher stops the server once nobody has held it for a while. So
//! neither a killed test run nor a runner with one process per test leaves servers behind.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::waiting::until;

/// Address of a server's maintenance database, and how to name another one on it.
#[derive(Debug)]
pub struct Server {
    /// Address with `{}` for the database.
    pattern: String,
    /// Held until the process ends.
    _in_use: Option<File>,
    /// Locked while something is made that all processes share.
    setup_lock: PathBuf,
}

/// The server of this process. Panics, with the ways out, where there can be none: a test of the
/// store never passes without Postgres.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("HOLDFAST_TEST_POSTGRES_URL") {
        Ok(url) => Server::given(&url),
        Err(_) => Server::started(),
    })
}

impl Server {
    /// The address of a database on it.
    pub fn url(&self, database: &str) -> String {
        self.pattern.replace("{}", database)
    }

    /// Runs `make` while no other test process does.
    pub fn lock_setup(&self) -> File {
        exclusive(&self.setup_lock)
    }

    fn given(url: &str) -> Self {
        let mut url = url::Url::parse(url).expect("HOLDFAST_TEST_POSTGRES_URL must be a postgres:// address");
        url.set_path("/DATABASE");
        Self {
            pattern: url.as_str().replace("/DATABASE", "/{}"),
            _in_use: None,
            setup_lock: std::env::temp_dir().join("holdfast-test-postgres.lock"),
        }
    }

    fn started() -> Self {
        let binaries = find_binaries();
        let account = Account::choose();
        let root = shared_memory().join(format!("holdfast-test-postgres-{}", account.name));
        fs::create_dir_all(&root).expect("a directory for the test server");
        account.own(&root);
        let setup_lock = root.join("setup.lock");
        let setup = exclusive(&setup_lock);
        let in_use = open_lock(&root.join("users.lock"));
        in_use.lock_shared().expect("the lock of those who use the test server");
        if !answers(&binaries, &root) {
            start(&binaries, &account, &root);
        }
        drop(setup);
        Self { pattern: address(&root), _in_use: Some(in_use), setup_lock }
    }
}

/// Postgres refuses to run as root, so root runs it as somebody else.
#[derive(Debug)]
struct Account {
    name: String,
    switch: bool,
}

impl Account {
    fn choose() -> Self {
        let me = output(Command::new("id").arg("-un"));
        if me != "root" {
            return Self { name: me, switch: false };
        }
        let name = ["postgres", "nobody"]
            .into_iter()
            .find(|name| Command::new("id").arg(name).output().is_ok_and(|id| id.status.success()))
            .expect("run as root, the tests need an account `postgres` or `nobody` for the server");
        Self { name: name.to_owned(), switch: true }
    }

    fn command(&self, program: &Path) -> Command {
        if !self.switch {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", &self.name, "--"]).arg(program);
        command
    }

    fn own(&self, directory: &Path) {
        if self.switch {
            run(Command::new("chown").arg(&self.name).arg(directory));
        }
    }
}

fn start(binaries: &Path, account: &Account, root: &Path) {
    let data = root.join("data");
    // A server that was killed leaves data that it would first have to recover; new data are made
    // faster.
    let _ = fs::remove_dir_all(&data);
    run(account
        .command(&binaries.join("initdb"))
        .args(["--auth=trust", "--username=holdfast", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(&data));
    start_on(binaries, account, root);
    watch(binaries, account, root);
}

/// Starts a server on the data that are there.
fn start_on(binaries: &Path, account: &Account, root: &Path) {
    // Nothing here survives a reboot anyway: no fsync. `synchronous_commit` stays on, as the store
    // asserts it.
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c full_page_writes=off \
         -c max_connections=400 -c shared_buffers=64MB",
        root.display()
    );
    run(account
        .command(&binaries.join("pg_ctl"))
        .args(["start", "-w", "-s", "-l"])
        .arg(root.join("server.log"))
        .arg("-o")
        .arg(options)
        .arg("-D")
        .arg(root.join("data")));
}

fn address(root: &Path) -> String {
    let socket = root.display().to_string().replace('/', "%2F");
    format!("postgres://holdfast@{socket}/{{}}")
}

/// A server of one test's own, which may be stopped and started; gone when dropped. Needs the
/// binaries, wherever the other tests have their databases.
#[derive(Debug)]
pub struct OwnServer {
    binaries: PathBuf,
    account: Account,
    root: TempDir,
    _in_use: File,
}

impl OwnServer {
    /// Makes and starts one.
    pub fn start() -> Self {
        let (binaries, account) = (find_binaries(), Account::choose());
        let root = tempfile::Builder::new().prefix("holdfast-test-own-").tempdir_in(shared_memory());
        let root = root.expect("a directory for the test's own server");
        account.own(root.path());
        let in_use = open_lock(&root.path().join("users.lock"));
        in_use.lock_shared().expect("the lock of those who use the test server");
        start(&binaries, &account, root.path());
        Self { binaries, account, root, _in_use: in_use }
    }

    /// Makes and starts a standby of it, which follows until it is told otherwise.
    pub fn standby(&self) -> Self {
        let root = tempfile::Builder::new().prefix("holdfast-test-standby-").tempdir_in(shared_memory());
        let root = root.expect("a directory for the standby");
        self.account.own(root.path());
        let in_use = open_lock(&root.path().join("users.lock"));
        in_use.lock_shared().expect("the lock of those who use the test server");
        run(self
            .account
            .command(&self.binaries.join("pg_basebackup"))
            .args(["-U", "holdfast", "-c", "fast", "-X", "stream", "-R", "--no-sync", "-h"])
            .arg(self.root.path())
            .arg("-D")
            .arg(root.path().join("data")));
        start_on(&self.binaries, &self.account, root.path());
        watch(&self.binaries, &self.account, root.path());
        let account = Account { name: self.account.name.clone(), switch: self.account.switch };
        Self { binaries: self.binaries.clone(), account, root, _in_use: in_use }
    }

    /// Where its socket is.
    pub fn socket_directory(&self) -> &Path {
        self.root.path()
    }

    /// The address of its empty database.
    pub fn url(&self) -> String {
        Self::url_at(self.socket_directory())
    }

    /// The same address for the server that has its socket there.
    pub fn url_at(socket_directory: &Path) -> String {
        address(socket_directory).replace("{}", "postgres")
    }

    /// What `psql --csv` prints of a query, by a session of that time zone.
    pub fn csv(&self, sql: &str, time_zone: &str) -> String {
        let psql = self.binaries.join("psql");
        let address = ["-h", &self.root.path().display().to_string(), "-U", "holdfast", "-d", "postgres"]
            .map(str::to_owned);
        output(
            Command::new(psql).args(["--no-psqlrc", "--csv", "-c", sql]).args(address).env("PGTZ", time_zone),
        )
    }

    /// Where its files are: data, log and write-ahead log.
    pub fn files(&self) -> &Path {
        self.root.path()
    }

    /// Stops it as a crash would: nobody is told, nothing is written down.
    pub fn stop(&self) {
        run(self
            .account
            .command(&self.binaries.join("pg_ctl"))
            .args(["stop", "-m", "immediate", "-s", "-D"])
            .arg(self.root.path().join("data")));
    }

    /// Starts it again on what it had.
    pub fn start_again(&self) {
        start_on(&self.binaries, &self.account, self.root.path());
    }
}

/// PgBouncer before a server; gone when dropped.
#[derive(Debug)]
pub struct Pooler {
    root: TempDir,
}

impl Pooler {
    /// One that pools by `mode`: `session` or `transaction`, with that many sessions.
    pub async fn before(server: &OwnServer, mode: &str, sessions: u32) -> Self {
        let root = tempfile::Builder::new().prefix("holdfast-test-pooler-").tempdir().expect("a directory");
        let (here, there) = (root.path().display(), server.socket_directory().display());
        let text = format!(
            "[databases]\npostgres = host={there} user=holdfast\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\n\
             unix_socket_dir = {here}\npidfile = {here}/pid\nlogfile = {here}/log\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {sessions}\n"
        );
        let file = root.path().join("pgbouncer.ini");
        fs::write(&file, text).expect("its configuration");
        server.account.own(root.path());
        let debian = Path::new("/usr/sbin/pgbouncer");
        let program = if debian.is_file() { debian } else { Path::new("pgbouncer") };
        let started = server.account.command(program).args(["-q", "-d"]).arg(&file).status();
        assert!(
            started.is_ok_and(|status| status.success()),
            "`apt-get install pgbouncer`, as scripts/setup.sh does"
        );
        let socket = root.path().join(".s.PGSQL.5432");
        until("the pooler listens", async || tokio::net::UnixStream::connect(&socket).await.is_ok()).await;
        Self { root }
    }

    /// The address of the server's empty database, through it.
    pub fn url(&self) -> String {
        OwnServer::url_at(self.root.path())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.root.path().join("pid")) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if answers(&self.binaries, self.root.path()) {
            self.stop();
        }
    }
}

/// Stops the server once no test process has held the lock for 20 seconds.
fn watch(binaries: &Path, account: &Account, root: &Path) {
    let script = r#"
        while kill -0 "$(head -n 1 "$1/data/postmaster.pid")" 2>/dev/null; do
            flock -x "$1/users.lock" true
            sleep 20
            flock -n -x "$1/users.lock" "$2/pg_ctl" stop -m immediate -s -D "$1/data"
        done"#;
    // Runs until after this process, so nobody waits for it.
    #[expect(clippy::zombie_processes)]
    let _watcher = account
        .command(Path::new("sh"))
        .args(["-c", script, "sh"])
        .arg(root)
        .arg(binaries)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the watcher of the test server");
}

fn answers(binaries: &Path, root: &Path) -> bool {
    Command::new(binaries.join("pg_isready"))
        .args(["-q", "-h"])
        .arg(root)
        .status()
        .is_ok_and(|status| status.success())
}

fn find_binaries() -> PathBuf {
    let mut candidates: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    candidates.sort();
    candidates.reverse();
    if let Ok(config) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&config.stdout).trim()));
    }
    candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let complete = |directory: &PathBuf| {
        ["initdb", "pg_ctl", "pg_isready", "postgres"].iter().all(|name| directory.join(name).is_file())
    };
    candidates.into_iter().find(complete).unwrap_or_else(|| {
        panic!(
            "the tests of the store run on Postgres too, and there is none here. Either\n  \
             apt-get install postgresql        (the tests start a server of their own), or\n  \
             HOLDFAST_TEST_POSTGRES_URL=postgres://user:password@host/postgres   (an account that may create databases)"
        )
    })
}

/// A directory in memory, where there is one: what is synced there costs no time.
pub fn shared_memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

fn exclusive(path: &Path) -> File {
    let file = open_lock(path);
    file.lock().expect("the lock of the test server");
    file
}

fn open_lock(path: &Path) -> File {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The watcher, which may be another account, opens it too.
    #[cfg(unix)]
    let _ = fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666));
    file
}

fn run(command: &mut Command) {
    let done = command.current_dir("/").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        done.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
