//! What this process uses of the machine, under the usual metric names. Read from `/proc` at each
//! scrape; absent where there is no `/proc`.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metric::metrics;

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

/// The metrics of this process.
#[derive(Debug)]
pub struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(seen) = Seen::now() else { return Ok(()) };
        CPU.encode(&mut encoder, &ConstCounter::new(seen.cpu_seconds))?;
        let gauges = [
            (MEMORY, seen.resident_bytes),
            (FDS, seen.open_fds),
            (MAX_FDS, seen.max_fds),
            (THREADS, seen.threads),
            (START, seen.started_at),
        ];
        for (row, value) in gauges {
            row.encode(&mut encoder, &ConstGauge::new(value))?;
        }
        Ok(())
    }
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
