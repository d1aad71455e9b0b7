//! The years that the tests run, and the one that `scripts/simulate.sh` asks for.

use std::str::FromStr;
use std::time::Duration;

use holdfast::worker::Pace;
use jiff::Timestamp;

use super::baton::{HOUR, Millis};
use super::instagram::RefreshEffect;
use super::report::Report;
use super::run::{Path, Plan, simulate, usual_pace};
use super::script::Extent;

fn start() -> Millis {
    "2026-11-23T10:00:00Z".parse::<Timestamp>().expect("a time").as_millisecond()
}

fn plan(seed: u64, connections: usize, effect: RefreshEffect) -> Plan {
    let extent =
        Extent { seed, start: start(), days: 365, connections, replicas: 3, furthest_jump: 6 * HOUR };
    Plan { extent, effect, pace: usual_pace(), path: Path::Short, has_journal: true }
}

/// A year that a debug build can go through in seconds: workers look every four hours at most.
fn small(seed: u64, effect: RefreshEffect) -> Plan {
    let pace = Pace { shortest: Duration::from_hours(4), longest: Duration::from_hours(24) };
    Plan { pace, path: Path::Sqlx, ..plan(seed, 200, effect) }
}

fn run(plan: Plan) -> Report {
    // In memory where the system has such a place: what is measured is our work, not a disk.
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a directory for the database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(simulate(plan, directory.path()));
    println!("{report}");
    report
}

/// What holds for a year of any size.
fn check(report: &Report) {
    assert!(report.keepable > 0 && report.minimal > 0, "nothing was at stake");
    let books = report.books;
    assert!(
        books.outages > 0 && books.partitions > 0 && books.crashes > 0 && books.jumps > 0,
        "an easy year"
    );
    assert!(report.lost.is_empty(), "lost:\n{report}");
    assert!(report.told_falsely.is_empty(), "told falsely:\n{report}");
    assert!(report.moved_lost.is_empty(), "moved and lost:\n{report}");
    assert!(report.misnamed.is_empty(), "told under an old handle:\n{report}");
    assert!(report.admitted_wrongly.is_empty(), "admitted wrongly:\n{report}");
    assert!(report.calls.by_app > 0 && report.calls.about_the_call > 0, "the app did nothing");
    assert_eq!(report.calls.collisions, 0, "two refreshes at once:\n{report}");
    // What a probe may cost while nobody is answered: one in half an hour for each replica, three
    // calls each at most, and what was under way as each outage began.
    let half_hours = u64::try_from(report.dark / (HOUR / 2)).unwrap();
    let beginnings = u64::from(report.books.outages + report.books.crashes) * 32;
    let allowed = report.replicas as u64 * 3 * half_hours + beginnings;
    assert!(report.calls.in_vain <= allowed, "{allowed} calls in vain would do:\n{report}");
}

/// Checks that next to nothing is asked twice.
fn check_calls(report: &Report) {
    let (all, minimal) = (report.calls.all(), report.minimal);
    // Before a death without a cause is believed, it is asked about for a day: ten calls.
    let farewells = 10 * (report.lost_in_the_window + u64::from(report.books.unexplained));
    let single = if report.connections >= 100_000 {
        0
    } else {
        // Fewer cannot pay for the probes of an outage of twenty days, which do not grow with them,
        // nor a few hundred for single misfortunes: after a lost answer, Instagram refuses to
        // refresh again for a day, and is asked a dozen times in it.
        report.calls.in_vain + (12 * report.answers_lost as u64).min(all / 20)
    };
    let counted = all.saturating_sub(farewells + single);
    assert!(counted * 100 <= minimal * 105, "{counted} calls where {minimal} do:\n{report}");
}

#[test]
fn a_year_in_which_both_grants_stay_valid() {
    let report = run(small(1, RefreshEffect::BothValid));
    check(&report);
    check_calls(&report);
}

#[test]
fn a_year_in_which_the_grant_stays_the_same() {
    let report = run(small(2, RefreshEffect::SameToken));
    check(&report);
    check_calls(&report);
}

#[test]
fn a_year_in_which_the_old_grant_dies() {
    let report = run(small(3, RefreshEffect::OldDead));
    check(&report);
    assert!(report.lost_in_the_window <= report.answers_lost as u64, "{report}");
}

#[test]
fn a_seed_gives_the_same_year_to_the_last_step() {
    let mut plan = small(4, RefreshEffect::BothValid);
    plan.extent.connections = 60;
    plan.extent.days = 90;
    assert_eq!(run(plan), run(plan));
}

/// So what the full year says in memory, it says of production's way to the database as well.
#[test]
fn either_path_to_the_database_gives_the_same_year() {
    let mut plan = small(5, RefreshEffect::OldDead);
    plan.extent.connections = 60;
    plan.extent.days = 90;
    assert_eq!(run(Plan { path: Path::Short, ..plan }), run(Plan { path: Path::Sqlx, ..plan }));
}

/// One number from the environment, as `scripts/simulate.sh` puts it there.
fn asked<T: FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(format!("HOLDFAST_SIM_{name}")) {
        Ok(text) => text
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("HOLDFAST_SIM_{name} is not what it should be: {text}")),
        Err(_) => otherwise,
    }
}

#[test]
#[ignore = "asked for by scripts/simulate.sh"]
fn as_asked() {
    let effect = match asked("WORLD", "both-valid".to_owned()).as_str() {
        "same-token" => RefreshEffect::SameToken,
        "both-valid" => RefreshEffect::BothValid,
        "old-dead" => RefreshEffect::OldDead,
        other => panic!("no such world: {other}"),
    };
    let mut plan = plan(asked("SEED", 1), asked("CONNECTIONS", 100_000), effect);
    plan.extent.days = asked("DAYS", plan.extent.days);
    plan.extent.replicas = asked("REPLICAS", plan.extent.replicas);
    plan.extent.furthest_jump = asked("JUMP_HOURS", 6) * HOUR;
    plan.has_journal = match asked("WITHOUT", "nothing".to_owned()).as_str() {
        "nothing" => true,
        "journal" => false,
        other => panic!("nothing to do without: {other}"),
    };
    let seconds = |name, otherwise: Duration| Duration::from_secs(asked(name, otherwise.as_secs()));
    plan.pace = Pace {
        shortest: seconds("SHORTEST", plan.pace.shortest),
        longest: seconds("LONGEST", plan.pace.longest),
    };
    let report = run(plan);
    check(&report);
    check_calls(&report);
}
