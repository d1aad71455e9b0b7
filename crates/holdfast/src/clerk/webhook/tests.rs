use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

const NOW: i64 = 1_795_396_260;
// The example of Svix's documentation, whose signature is published with it.
const SVIX_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn verifier_at(second: i64, secrets: &str) -> WebhookVerifier {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(second).unwrap()));
    let keys = secrets.split(',').map(|secret| SigningKey::parse(secret).unwrap());
    WebhookVerifier::new(keys.collect(), clock)
}

fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> String {
    SigningKey::parse(secret).unwrap().sign(id, &timestamp.to_string(), body.as_bytes())
}

fn headers(id: &str, timestamp: i64, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("svix-id", id.parse().unwrap());
    headers.insert("svix-timestamp", timestamp.to_string().parse().unwrap());
    headers.insert("svix-signature", signature.parse().unwrap());
    headers
}

fn deliver(verifier: &WebhookVerifier, timestamp: i64, body: &str) -> Result<Delivery, DeliveryError> {
    let signature = sign(SVIX_SECRET, "msg_1", timestamp, body);
    verifier.verify(&headers("msg_1", timestamp, &signature), body.as_bytes())
}

const UPDATED: &str = r#"{"object":"event","type":"user.updated","instance_id":"ins_ours","timestamp":1,
    "data":{"id":"user_1","first_name":"Ada","updated_at":1795396260123}}"#;

#[test]
fn the_published_example_of_svix_verifies() {
    let verifier = verifier_at(1_614_265_330, SVIX_SECRET);
    let headers = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
    // Its body is no Clerk event, which is only looked at once the signature is proven.
    let verdict = verifier.verify(&headers, br#"{"test": 2432232314}"#);
    assert_eq!(verdict.unwrap_err(), DeliveryError::Body);
    let tampered = verifier.verify(&headers, br#"{"test": 2432232315}"#);
    assert_eq!(tampered.unwrap_err(), DeliveryError::Signature);
}

#[test]
fn an_update_carries_the_whole_record() {
    let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, UPDATED).unwrap() else {
        panic!("not about a user")
    };
    assert_eq!((event.id(), event.user_id()), ("msg_1", "user_1"));
    let UserChange::Stored(facts) = event.change() else { panic!("deleted") };
    assert_eq!(facts.first_name.as_deref(), Some("Ada"));
    assert_eq!(facts.updated_at.unwrap().as_millisecond(), 1_795_396_260_123);
}

#[test]
fn another_instance_is_told_by_the_names_of_the_keys() {
    let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, UPDATED).unwrap() else {
        panic!("not about a user")
    };
    let foreign = |kids: &[&str]| {
        event.is_of_another_instance(&kids.iter().map(|kid| (*kid).to_owned()).collect::<Vec<_>>())
    };
    assert!(foreign(&["ins_theirs"]));
    for ours in
        [&["ins_ours"][..], &["ins_theirs", "ins_ours"], &["ins_ours2"], &[], &["pinned", "ins_theirs"]]
    {
        assert!(!foreign(ours), "{ours:?}");
    }
}

#[test]
fn the_tolerance_is_300_seconds_either_way() {
    let verifier = verifier_at(NOW, SVIX_SECRET);
    assert!(deliver(&verifier, NOW - 300, UPDATED).is_ok());
    assert_eq!(deliver(&verifier, NOW - 301, UPDATED).unwrap_err(), DeliveryError::TooOld);
    assert!(deliver(&verifier, NOW + 300, UPDATED).is_ok());
    assert_eq!(deliver(&verifier, NOW + 301, UPDATED).unwrap_err(), DeliveryError::TooNew);
    assert_eq!(deliver(&verifier, 0, UPDATED).unwrap_err(), DeliveryError::TooOld);
    assert_eq!(deliver(&verifier, -1, UPDATED).unwrap_err(), DeliveryError::Header("svix-timestamp"));
    assert_eq!(deliver(&verifier, i64::MAX, UPDATED).unwrap_err(), DeliveryError::TooNew);
}

#[test]
fn while_secrets_rotate_either_signs() {
    let other = "whsec_c2Vjb25kIHNlY3JldCBzZWNvbmQgc2VjcmV0";
    for list in [format!("{other},{SVIX_SECRET}"), format!("{SVIX_SECRET},{other}")] {
        let verifier = verifier_at(NOW, &list);
        assert!(deliver(&verifier, NOW, UPDATED).is_ok());
        // Svix sends both signatures in one header for a while.
        let both = format!("v2,xxxx {} {}", sign("whsec_AAAA", "msg_1", NOW, UPDATED), {
            sign(other, "msg_1", NOW, UPDATED)
        });
        assert!(verifier.verify(&headers("msg_1", NOW, &both), UPDATED.as_bytes()).is_ok());
    }
}

#[test]
fn each_signed_part_matters() {
    let verifier = verifier_at(NOW, SVIX_SECRET);
    let signature = sign(SVIX_SECRET, "msg_1", NOW, UPDATED);
    for forged in [
        headers("msg_2", NOW, &signature),
        headers("msg_1", NOW + 1, &signature),
        headers("msg_1", NOW, &signature.replace("v1,", "v2,")),
        headers("msg_1", NOW, "v1,"),
        headers("msg_1", NOW, "v1,%%%"),
    ] {
        let verdict = verifier.verify(&forged, UPDATED.as_bytes());
        assert_eq!(verdict.unwrap_err(), DeliveryError::Signature);
    }
}

#[test]
fn a_missing_or_repeated_header_is_named() {
    let verifier = verifier_at(NOW, SVIX_SECRET);
    let good = headers("msg_1", NOW, &sign(SVIX_SECRET, "msg_1", NOW, UPDATED));
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let mut without = good.clone();
        without.remove(name);
        assert_eq!(verifier.verify(&without, UPDATED.as_bytes()).unwrap_err(), DeliveryError::Header(name));
        let mut twice = good.clone();
        twice.append(name, good[name].clone());
        assert_eq!(verifier.verify(&twice, UPDATED.as_bytes()).unwrap_err(), DeliveryError::Header(name));
    }
}

#[test]
fn what_we_keep_nothing_of_is_acknowledged() {
    let verifier = verifier_at(NOW, SVIX_SECRET);
    let ignored = |body: &str| match deliver(&verifier, NOW, body).unwrap() {
        Delivery::Ignored(because) => because,
        Delivery::User(event) => panic!("{event:?}"),
    };
    assert_eq!(
        ignored(r#"{"type":"session.created","data":{"id":"sess_1"}}"#),
        IgnoredBecause::OtherType("session.created".to_owned())
    );
    assert_eq!(ignored(r#"{"type":"user.deleted","data":{"deleted":true}}"#), IgnoredBecause::NoUser);
}

#[test]
fn a_deletion_names_the_user() {
    let body = r#"{"type":"user.deleted","data":{"id":"user_1","object":"user","deleted":true}}"#;
    let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, body).unwrap() else {
        panic!("ignored")
    };
    assert_eq!((event.user_id(), event.change()), ("user_1", &UserChange::Deleted));
}

#[test]
fn secrets_are_never_shown() {
    let shown = format!("{:?}", verifier_at(NOW, SVIX_SECRET));
    assert!(!shown.contains("MfKQ9r8G"), "{shown}");
}

proptest! {
    #[test]
    fn what_is_signed_is_believed_and_nothing_near_it(
        id in "[!-~&&[^.]]{1,24}", late in -TOLERANCE_SECONDS..=TOLERANCE_SECONDS, bit in 0_u8..8, at in any::<prop::sample::Index>(),
    ) {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        let timestamp = NOW - late;
        let signature = sign(SVIX_SECRET, &id, timestamp, UPDATED);
        let verify = |headers: &HeaderMap, body: &[u8]| verifier.verify(headers, body);
        prop_assert!(verify(&headers(&id, timestamp, &signature), UPDATED.as_bytes()).is_ok());
        let among_others = format!("v1,AAAA v2,x {signature}");
        prop_assert!(verify(&headers(&id, timestamp, &among_others), UPDATED.as_bytes()).is_ok());

        let mut changed = UPDATED.as_bytes().to_vec();
        let position = at.index(changed.len());
        changed[position] ^= 1 << bit;
        for (headers, body) in [
            (headers(&id, timestamp, &signature), &changed[..]),
            (headers(&format!("{id}x"), timestamp, &signature), UPDATED.as_bytes()),
            (headers(&id, timestamp, &signature.replace("v1,", "v2,")), UPDATED.as_bytes()),
        ] {
            prop_assert_eq!(verify(&headers, body).unwrap_err(), DeliveryError::Signature);
        }
        for (outside, error) in
            [(NOW - TOLERANCE_SECONDS - 1, DeliveryError::TooOld), (NOW + TOLERANCE_SECONDS + 1, DeliveryError::TooNew)]
        {
            let signature = sign(SVIX_SECRET, &id, outside, UPDATED);
            prop_assert_eq!(verify(&headers(&id, outside, &signature), UPDATED.as_bytes()).unwrap_err(), error);
        }
    }
}

#[test]
fn s12_ids_and_times_are_what_clerk_makes() {
    let verifier = verifier_at(NOW, SVIX_SECRET);
    for id in ["../../x\\n", "user_", "user_a/b", "user_a b", "usr_1"] {
        let body =
            format!(r#"{{"object":"event","type":"user.deleted","data":{{"id":"{id}"}},"instance_id":"i"}}"#);
        assert_eq!(deliver(&verifier, NOW, &body).unwrap_err(), DeliveryError::Body, "{id}");
    }
    let now = format!("+{NOW}");
    let signature = SigningKey::parse(SVIX_SECRET).unwrap().sign("msg_1", &now, UPDATED.as_bytes());
    let mut headers = headers("msg_1", NOW, &signature);
    headers.insert("svix-timestamp", now.parse().unwrap());
    let refused = verifier.verify(&headers, UPDATED.as_bytes()).unwrap_err();
    assert_eq!(refused, DeliveryError::Header("svix-timestamp"));
}
