use super::*;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400).unwrap()
}

fn grant(obtained: Option<i64>, expires: Option<i64>) -> (Timestamp, Timestamp) {
    let offered = Offered {
        access_token: SecretString::from("IGAA"),
        obtained_at: obtained.map(at),
        expires_at: expires.map(at),
    };
    let Life { grant, expiry_is_known, .. } = to_grant(&offered, Duration::from_hours(24), at(100));
    assert_eq!(expiry_is_known, expires.is_some_and(|at| grant.expires_at.as_second() == at * 86_400));
    (grant.obtained_at, grant.expires_at)
}

#[test]
fn a_grant_in_its_last_days_is_due_at_once() {
    let is_due = |obtained: i64, left: i64| {
        let grant = Grant {
            access_token: SecretString::from("IGAA"),
            scopes: None,
            obtained_at: at(100 - obtained),
            expires_at: at(100 + left),
        };
        is_due_at_once(&grant, true, Duration::from_hours(24), at(100))
    };
    assert!(is_due(58, 2) && is_due(53, 7));
    assert!(!is_due(50, 10), "its time comes");
    assert!(!is_due(0, 2), "Instagram refuses to");
}

#[test]
fn what_is_not_known_of_a_life_is_assumed_late() {
    assert_eq!(grant(Some(90), Some(150)), (at(90), at(150)));
    assert_eq!(grant(None, Some(150)), (at(90), at(150)), "from the usual life");
    assert_eq!(grant(Some(90), None), (at(90), at(160)));
    assert_eq!(grant(None, None), (at(99), at(160)), "old enough to be refreshed");
    assert_eq!(grant(None, Some(99)), (at(99), at(160)), "a time that is over");
    assert_eq!(grant(Some(101), Some(150)), (at(100), at(150)), "a time to come");
    assert_eq!(grant(None, Some(170)), (at(100), at(170)), "longer than usual");
    assert_eq!(grant(None, Some(11_000)), (at(99), at(160)), "longer than any");
}
