//! What this process uses of the machine, under the usual metric names. Read from `/proc` at each
//! scrape; absent where there is no `/proc`.

use std::fs;

use prometheus_client::registry::Registry;

use crate::metric::{collect, metrics};

metrics! {
    /// The metrics of the process, in the order of the reference page.
    TABLE;
    CPU = Counter "process_cpu_seconds",
        "Processor time",
        "A rate near the number of processors says that the machine is too small.";
    MEMORY = Gauge "process_resident_memory_bytes",
        "Resident memory",
        "It stays level after the first hour; 30,000 cached session tokens take some tens of megabytes.";
    FDS = Gauge "process_open_fds",
        "Open file descriptors",
        "Alert above nine tenths of `process_max_fds`.";
    MAX_FDS = Gauge "process_max_fds",
        "The limit on open file descriptors",
        "It must exceed `HOLDFAST_MAX_CONNECTIONS` by the files that the service itself opens; `holdfast doctor` \
         names the number.";
    THREADS = Gauge "process_threads",
        "Threads",
        "Alert above 200: files or name look-ups hang, each on a thread of its own.";
    START = Gauge "process_start_time_seconds",
        "When the process started",
        "A change without a restart of yours is a crash.";
}

/// Collects the metrics of this process.
pub fn register(registry: &mut Registry) {
    collect(registry, |encoder| {
        let Some(seen) = Seen::now() else { return Ok(()) };
        CPU.count(encoder, seen.cpu_seconds)?;
        MEMORY.gauge(encoder, Some(seen.resident_bytes))?;
        FDS.gauge(encoder, Some(seen.open_fds))?;
        MAX_FDS.gauge(encoder, Some(seen.max_fds))?;
        THREADS.gauge(encoder, Some(seen.threads))?;
        START.gauge(encoder, Some(seen.started_at))
    });
}

struct Seen {
    cpu_seconds: f64,
    resident_bytes: f64,
    open_fds: f64,
    max_fds: f64,
    threads: f64,
    started_at: f64,
}

impl Seen {
    /// See proc_pid_stat(5): fields count from 1, and the second may hold spaces.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are such")]
    fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let booted: f64 = fs::read_to_string("/proc/stat")
            .ok()?
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()?;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
            resident_bytes: (field(24)? * rustix::param::page_size() as u64) as f64,
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as f64,
            max_fds: limit.map_or(f64::INFINITY, |limit| limit as f64),
            threads: field(20)? as f64,
            started_at: booted + field(22)? as f64 / ticks,
        })
    }
}
