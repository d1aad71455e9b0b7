use super::*;

const DAY: i64 = 86_400_000;
const POLICY: RefreshPolicy = RefreshPolicy { min_age: Duration::from_hours(24), at: 0.5 };

fn day(n: i64) -> Timestamp {
    from_millis(n * DAY)
}

#[test]
fn a_sixty_day_grant_is_due_at_half_life() {
    assert_eq!(POLICY.due(day(0), day(60), 0.0), day(30));
    assert_eq!(POLICY.due(day(0), day(60), 1.0), from_millis(63 * DAY / 2));
}

#[test]
fn a_small_fraction_is_kept_to() {
    let soon = RefreshPolicy { min_age: Duration::from_secs(1), at: 0.000_001 };
    let due = soon.due(day(0), day(60), 1.0);
    assert!(due <= from_millis(5_500), "{due}");
}

#[test]
fn canaries_take_turns_and_come_ever_more_rarely() {
    let pause = |waiting, hours: i64, jitter| {
        let now = from_millis(100 * DAY);
        let since = Some(from_millis(100 * DAY - hours * 3_600_000));
        let schedule = Schedule { policy: POLICY, now, jitter: Jitter(jitter) };
        schedule.canary_pause(&Population { waiting, since, ..Population::default() }).as_secs()
    };
    assert_eq!((pause(10, 0, 0), pause(10, 0, u16::MAX)), (20, 419));
    assert_eq!((pause(10, 4, 0), pause(100, 4, 0)), (900, 900));
    assert_eq!(pause(10, 1000, 0), 1800);
    assert!(pause(1000, 0, u16::MAX / 2) > 90 * pause(10, 0, 0));
}

#[test]
fn after_a_failure_the_pause_grows_and_leaves_time_for_more_tries() {
    let now = from_millis(30 * DAY);
    let schedule = Schedule { policy: POLICY, now, jitter: Jitter(0) };
    let minutes: Vec<u64> = (0..8).map(|failures| backoff(failures).as_secs() / 60).collect();
    assert_eq!(minutes, [1, 2, 4, 16, 64, 256, 1024, 1440]);
    let recheck = |age: u64, delay: u64| {
        let minute = 60_000_i64;
        let first = from_millis(30 * DAY - i64::try_from(age).unwrap() * minute);
        recheck_pause(first, Duration::from_mins(delay), schedule.now).as_secs() / 60
    };
    assert_eq!([recheck(0, 15), recheck(1, 15), recheck(4, 15), recheck(16, 15)], [1, 3, 11, 1]);
}

#[test]
fn a_young_grant_is_never_due() {
    assert_eq!(POLICY.due(day(0), from_millis(DAY + 1000), 0.0), day(1));
}

#[test]
fn a_grant_that_is_already_dead_does_not_overflow() {
    assert_eq!(POLICY.due(day(10), day(1), 1.0), day(11));
}
