use super::*;

fn one(id: usize, code: &str) -> Remembered {
    Remembered {
        request_id: format!("r{id}"),
        at: Timestamp::UNIX_EPOCH,
        method: "GET".to_owned(),
        route: "/user/profile".to_owned(),
        status: 401,
        code: code.to_owned(),
        detail: String::new(),
        user_id: id.is_multiple_of(2).then(|| "user_even".to_owned()),
        judgement: None,
        cause: None,
    }
}

#[test]
fn the_oldest_makes_room_and_is_still_counted() {
    let memory = RefusalMemory::default();
    for id in 0..=CAPACITY {
        memory.remember(one(id, "token-expired"));
    }
    assert!(memory.find("r0").is_none() && memory.find("r1").is_some());
    assert_eq!(memory.by_code()["token-expired"], 10_001);
    memory.remember(one(1, "database-full"));
    for id in 2..=CAPACITY {
        memory.remember(one(id, "token-expired"));
    }
    assert_eq!(memory.last_of("database-full").unwrap().request_id, "r1", "a flood hides no failure");
    assert_eq!(memory.of_user("user_even", 3).len(), 3);
}

#[test]
fn origins_are_remembered_once_and_the_oldest_makes_room() {
    let memory = RefusalMemory::default();
    let at = Timestamp::UNIX_EPOCH;
    for id in (0..=ORIGINS).chain([1]) {
        let origin = format!("https://{id}.example");
        memory.remember_origin(RefusedOrigin { origin, nearest: None, at });
    }
    let origins = memory.origins();
    assert_eq!((origins.len(), origins[0].origin.as_str()), (ORIGINS, "https://1.example"));
    assert!(!origins.iter().any(|one| one.origin == "https://0.example"));
}

#[test]
fn who_sends_an_id_again_hides_nothing() {
    let memory = RefusalMemory::default();
    memory.remember(one(1, "token-expired"));
    assert_eq!(memory.find("r1").unwrap().warning(), None);
    memory.remember(one(1, "token-invalid"));
    let recalled = memory.find("r1").unwrap();
    assert_eq!((&*recalled.first.code, recalled.later), ("token-expired", 1));
    assert!(recalled.warning().unwrap().contains("1 came later"));
    let json = serde_json::to_string(&recalled).unwrap();
    assert_eq!(serde_json::from_str::<Recalled>(&json).unwrap(), recalled);
}

#[test]
fn a_user_is_claimed_by_what_looks_like_an_id() {
    let token =
        |sub: &str| format!("x.{}.y", URL_SAFE_NO_PAD.encode(serde_json::json!({ "sub": sub }).to_string()));
    assert_eq!(claimed_user(&token("user_2abc")).as_deref(), Some("user_2abc"));
    assert_eq!(claimed_user(&token("user_<script>")), None);
    assert_eq!(claimed_user("x.y"), None);
}
