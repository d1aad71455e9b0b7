//! Runs the real binary in a directory and an environment of its own. Its output and its log, at
//! trace level, are searched for the secrets that were handed to it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast::clock::SystemClock;
use holdfast::entropy::SystemEntropy;
use holdfast::settings::table::TABLE;
use holdfast::standin::Outside;
use holdfast::standin::instagram::Options;
use holdfast::telemetry;
use holdfast::transport::ReqwestTransport;
use tempfile::TempDir;

use crate::testing::leaks;

/// Takes back the newest migration of SQLite: what an older program has left.
pub const WITHOUT_THE_NEWEST_MIGRATION: &str = "ALTER TABLE attempts DROP COLUMN paused_until; \
     DELETE FROM schema_migrations WHERE version = 21";

/// A directory to run the program in. Nothing of the environment of the test run reaches it.
pub struct Place {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

/// How a run ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    /// Without the log.
    pub stderr: String,
}

/// A program that runs until it is stopped.
pub struct Running {
    pub child: Child,
    /// It may be killed before it has logged anything, or have nothing to log.
    pub may_be_silent: bool,
    log: PathBuf,
}

impl Running {
    /// What it has logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            return;
        }
        if self.may_be_silent {
            leaks::assert_clean_or_silent(&self.log);
        } else {
            leaks::assert_clean(&self.log);
        }
    }
}

impl Ended {
    /// All of it, for a snapshot.
    pub fn whole(&self) -> String {
        format!("exit: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Place {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), environment: Vec::new() }
    }

    /// With those variables set.
    pub fn of<N: AsRef<str>>(environment: impl IntoIterator<Item = (N, String)>) -> Self {
        environment.into_iter().fold(Self::new(), |place, (name, value)| place.with(name.as_ref(), value))
    }

    /// With a variable set.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// With a file written.
    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    /// The names of the variables, in the order in which they were set.
    pub fn names(&self) -> Vec<String> {
        self.environment.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with these arguments, ready to start.
    fn command(&self, arguments: &[&str]) -> Command {
        for (name, value) in &self.environment {
            if TABLE.iter().any(|setting| setting.env == name && setting.secret) {
                secrets_of(value).for_each(leaks::secret_if_long);
            }
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(arguments).env_clear();
        // The commands that keep a log; to the others it would be a setting among others.
        if let ["serve" | "dev" | "import", ..] = arguments {
            command.env("HOLDFAST_LOG", "trace").env("HOLDFAST_LOG_FORMAT", "json");
            // Tests that stop one have no proxy to wait for; the test of draining sets another
            // time.
            command.env("HOLDFAST_DRAIN_S", "0");
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(self.dir.path());
        command
    }

    /// Starts it; its standard output is left to the caller.
    pub fn start(&self, arguments: &[&str], stdout: Stdio) -> Running {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = self.dir.path().join(format!("log-of-the-test-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let stderr = File::create(&log).unwrap();
        let child = self.command(arguments).stdout(stdout).stderr(stderr).spawn().unwrap();
        Running { child, may_be_silent: false, log }
    }

    /// Starts it as the first process of a namespace of its own; nothing is written to its input.
    pub fn start_as_first(&self, arguments: &[&str], stdin: Stdio) -> Running {
        let program = self.command(arguments);
        let log = self.dir.path().join("log-of-the-first");
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--pid", "--fork"]).arg(program.get_program()).args(arguments);
        unshare.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let stderr = File::create(&log).unwrap();
        unshare.current_dir(self.dir.path()).stdin(stdin).stdout(Stdio::null()).stderr(stderr);
        Running { child: unshare.spawn().unwrap(), may_be_silent: true, log }
    }

    /// Starts `serve` in a shell that sets limits before.
    pub fn serve_within(&self, limits: &str) -> Running {
        let program = self.command(&["serve"]);
        let log = self.dir.path().join("log-of-the-limited");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{limits} && exec \"$0\" serve")]).arg(program.get_program()).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(self.dir.path());
        let stderr = File::create(&log).unwrap();
        let child = shell.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Running { child, may_be_silent: false, log }
    }

    /// Runs it to its end in a shell that does that before, in a mount namespace of its own.
    pub fn run_in_own_mounts(&self, before: &str, arguments: &[&str]) -> Ended {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "/bin/sh"]);
        self.run_in(unshare, before, arguments)
    }

    /// Runs it to its end in a shell that does that before.
    pub fn run_within(&self, before: &str, arguments: &[&str]) -> Ended {
        self.run_in(Command::new("/bin/sh"), before, arguments)
    }

    fn run_in(&self, mut shell: Command, before: &str, arguments: &[&str]) -> Ended {
        let program = self.command(arguments);
        shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]);
        shell.arg(program.get_program()).args(arguments).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.current_dir(self.dir.path()).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it to its end with its answer written there.
    pub fn run_into(&self, arguments: &[&str], stdout: File) -> Ended {
        let mut command = self.command(arguments);
        let output = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it to its end without input.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.feed(arguments, b"")
    }

    /// Runs it to its end with that on standard input.
    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> Ended {
        // The header of an import is no secret: a message quotes one.
        let text = String::from_utf8_lossy(input);
        text.split_whitespace().filter(|word| !word.starts_with("user_id,")).for_each(leaks::secret_if_long);
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // Written beside the reading: either pipe may fill up.
        let writer = std::thread::spawn(move || {
            // A program that ends without reading its input closes the pipe: no fault of the test.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        for told in [&output.stdout, &output.stderr] {
            assert_eq!(leaks::found_any(told), None, "printed or logged by {arguments:?}");
        }
        let stderr = String::from_utf8(output.stderr).unwrap();
        // Why it ended is an answer.
        let is_told = |line: &&str| !line.starts_with("{\"timestamp\":") || line.contains(telemetry::ALWAYS);
        let stderr = stderr.split_inclusive('\n').filter(is_told).collect();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr,
        }
    }
}

/// An address's secret is its password; a key ring's are the keys beside their ids.
fn secrets_of(value: &str) -> impl Iterator<Item = &str> {
    let (is_address, rest) = value.split_once("://").map_or((false, value), |(_, rest)| (true, rest));
    let credentials = rest.split_once('@').map(|(credentials, _)| credentials);
    let text = if is_address { credentials.unwrap_or_default() } else { rest };
    text.split([',', ':'])
}

/// A key ring entry for tests.
pub fn ring_entry(id: &str, byte: u8) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = (0..32).map(|index| byte.wrapping_add(index)).collect();
    format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// The outside world of an installation of the program.
pub async fn outside() -> Outside {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let options = Options { app_secret: "fedcba9876543210fedcba9876543210".into(), ..Options::default() };
    let outside = Outside::start([0; 2], options, clock, entropy, transport).await.unwrap();
    outside.introduce(&"https://api.example.com".parse().unwrap());
    outside
}

/// A complete installation in that world.
pub fn installation_in(outside: &Outside) -> Place {
    Place::of(outside.settings())
        .with("HOLDFAST_LISTEN", "127.0.0.1:0")
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("HOLDFAST_PUBLIC_URL", "https://api.example.com")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
}
