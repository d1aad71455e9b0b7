//! The whole dance, Instagram's rules, and both forms of answers.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{CALLBACK, SCOPES, own_media, parameter, rig, rig_with};
use crate::provider::{Account, DeathCause, Meaning, Provider as _, ShortGrant};
use crate::standin::instagram::{Decision, Options, Person, RefreshWorld, ReplyShape};

#[tokio::test]
async fn from_consent_to_a_year_later_in_both_forms() {
    for shape in [ReplyShape::Live, ReplyShape::Documented] {
        let rig = rig_with(Options { shape, ..Options::default() }).await;
        let back = rig
            .decide(rig.instagram.authorize_url("st&te", true), "grace.hops", &Decision::Approve)
            .await
            .unwrap();
        assert!(back.as_str().starts_with(CALLBACK));
        assert_eq!(back.fragment(), Some("_"), "as Instagram does it");
        assert_eq!(parameter(&back, "state").as_deref(), Some("st&te"));
        let code = SecretString::from(parameter(&back, "code").unwrap());
        let short = rig.instagram.redeem(&code).await.outcome.unwrap();
        assert_eq!(short.account_id.as_deref(), Some("27640875392278831"), "{shape:?}");
        assert_eq!(short.scopes.as_deref(), Some(&SCOPES.map(str::to_owned)[..]), "{shape:?}");
        assert_eq!(short.access_token.expose_secret().len(), 190);
        let mut grant = rig.instagram.extend(&short).await.outcome.unwrap();
        assert_eq!(grant.expires_at, grant.obtained_at + Duration::from_hours(60 * 24));
        let account = rig.instagram.identify(&grant).await.outcome.unwrap();
        assert_eq!(account.id, "27640875392278831");
        assert_eq!(account.professional_id.as_deref(), Some("17841400455970029"));
        assert_eq!(account.account_type.as_deref(), Some("media_creator"));
        for _ in 0..12 {
            rig.clock.advance(Duration::from_hours(30 * 24));
            grant = rig.instagram.refresh(&grant).await.outcome.unwrap();
        }
        // The address of the picture is signed anew each time.
        let later = rig.instagram.identify(&grant).await.outcome.unwrap();
        assert_ne!(later.profile_picture_url, account.profile_picture_url);
        let picture = account.profile_picture_url.clone();
        assert_eq!(Account { profile_picture_url: picture, ..later }, account);
        let passed = rig.instagram.pass_through(&grant, own_media()).await.unwrap();
        let body = passed.body.unwrap();
        assert_eq!(passed.status, 200);
        assert!(body.get().contains(r#""next":"#));
        assert!(
            !body.get().contains(grant.access_token.expose_secret()),
            "no page address repeats the token"
        );
    }
}

#[tokio::test]
async fn codes_and_tokens_run_out() {
    let rig = rig().await;
    let code = rig.code("ada.makes").await;
    let short = rig.short("ada.makes").await;
    let grant = rig.grant("ada.makes").await;
    rig.clock.advance(Duration::from_mins(61));
    assert_eq!(rig.instagram.redeem(&code).await.outcome.unwrap_err().meaning, Meaning::CodeRejected);
    let expired = Meaning::Dead(DeathCause::Expired);
    assert_eq!(rig.instagram.extend(&short).await.outcome.unwrap_err().meaning, expired);
    let early = rig.instagram.refresh(&grant).await.outcome.unwrap_err();
    assert_eq!(early.meaning, Meaning::Unavailable, "too young, which kills nothing");
    assert!(rig.instagram.identify(&grant).await.outcome.is_ok());
    rig.clock.advance(Duration::from_hours(60 * 24));
    assert_eq!(rig.instagram.refresh(&grant).await.outcome.unwrap_err().meaning, expired);
    assert_eq!(rig.instagram.identify(&grant).await.outcome.unwrap_err().meaning, expired);
}

#[tokio::test]
async fn the_wrong_token_in_the_wrong_place() {
    let rig = rig().await;
    let short = rig.short("ada.makes").await;
    let grant = rig.grant("ada.makes").await;
    let long_as_short = ShortGrant { access_token: grant.access_token.clone(), ..short.clone() };
    let failure = rig.instagram.extend(&long_as_short).await.outcome.unwrap_err();
    assert_eq!(failure.code, Some(452));
    assert!(failure.detail.contains("sub-code 4279019"), "{}", failure.detail);
    assert_eq!(failure.meaning, Meaning::Dead(DeathCause::Invalid));
    let short_as_long = crate::provider::Grant { access_token: short.access_token, ..grant.clone() };
    let failure = rig.instagram.refresh(&short_as_long).await.outcome.unwrap_err();
    assert_eq!(failure.meaning, Meaning::DeadUnexplained);
    assert!(
        failure.detail.contains("malformed") && !failure.detail.contains("18.0,AZ"),
        "{}",
        failure.detail
    );
    let unknown = crate::provider::Grant { access_token: SecretString::from("IGAAnever"), ..grant };
    let failure = rig.instagram.identify(&unknown).await.outcome.unwrap_err();
    assert_eq!(failure.meaning, Meaning::DeadUnexplained);
}

#[tokio::test]
async fn the_three_worlds_of_refreshing() {
    for (world, same, old_lives) in [
        (RefreshWorld::SameToken, true, true),
        (RefreshWorld::BothValid, false, true),
        (RefreshWorld::OldDies, false, false),
    ] {
        let rig = rig_with(Options { refresh_world: world, ..Options::default() }).await;
        let old = rig.grant("ada.makes").await;
        rig.clock.advance(Duration::from_hours(25));
        let new = rig.instagram.refresh(&old).await.outcome.unwrap();
        assert_eq!(new.access_token.expose_secret() == old.access_token.expose_secret(), same, "{world:?}");
        assert!(rig.instagram.identify(&new).await.outcome.is_ok(), "{world:?}");
        assert_eq!(rig.instagram.identify(&old).await.outcome.is_ok(), old_lives, "{world:?}");
    }
}

#[tokio::test]
async fn a_partial_grant_says_so_and_may_less() {
    let rig = rig().await;
    let url = rig.instagram.authorize_url("s", false);
    let only = Decision::ApproveOnly(vec![SCOPES[0].to_owned()]);
    let back = rig.decide(url, "ada.makes", &only).await.unwrap();
    let short =
        rig.instagram.redeem(&SecretString::from(parameter(&back, "code").unwrap())).await.outcome.unwrap();
    assert_eq!(short.scopes.as_deref(), Some(&[SCOPES[0].to_owned()][..]));
    let grant = rig.instagram.extend(&short).await.outcome.unwrap();
    let mut insights = own_media();
    insights.path = "me/insights".to_owned();
    let passed = rig.instagram.pass_through(&grant, insights.clone()).await.unwrap();
    assert_eq!(passed.failure.unwrap().meaning, Meaning::Permission);
    let full = rig.grant("ada.makes").await;
    assert_eq!(rig.instagram.pass_through(&full, insights).await.unwrap().failure, None);
}

#[tokio::test]
async fn bodies_equal_the_recorded_ones() {
    let person = Person {
        id: "27640875392278831".to_owned(),
        professional_id: "17841479677897649".to_owned(),
        username: "ada.makes".to_owned(),
        name: "Ada".to_owned(),
        account_type: "BUSINESS".to_owned(),
    };
    for (shape, recorded) in [
        (ReplyShape::Live, include_str!("../../../provider/instagram/testdata/short_token_live.json")),
        (
            ReplyShape::Documented,
            include_str!("../../../provider/instagram/testdata/short_token_documented.json"),
        ),
    ] {
        let rig = rig_with(Options { shape, people: vec![person.clone()], ..Options::default() }).await;
        let asked = "instagram_business_basic,instagram_business_manage_messages";
        let mut url = rig.instagram.authorize_url("s", false);
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if name == "scope" { asked.to_owned() } else { value.into_owned() };
                (name.into_owned(), value)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        let back = rig.decide(url, "ada.makes", &Decision::Approve).await.unwrap();
        let form = [
            ("client_id", rig.standin.options().app_id.as_str()),
            ("client_secret", rig.standin.options().app_secret.expose_secret()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", CALLBACK),
            ("code", &parameter(&back, "code").unwrap()),
        ];
        let redeem = || {
            let url = rig.standin.url().join("oauth/access_token").unwrap();
            let mut request = crate::transport::Outgoing::new(http::Method::POST, url);
            request.body =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into();
            rig.transport.send(request)
        };
        let answer = redeem().await.unwrap();
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let token = &body[body.find("IGAA").unwrap()..][..190];
        let kept: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let kept = kept.pointer("/data/0").unwrap_or(&kept);
        let (theirs, their_id) = (kept["access_token"].as_str().unwrap(), kept["user_id"].to_string());
        let as_recorded =
            body.replace(token, theirs).replace("27640875392278831", their_id.trim_matches('"'));
        assert_eq!(as_recorded, recorded);

        let again = redeem().await.unwrap();
        assert_eq!(again.status, 400);
        assert_eq!(again.body, include_str!("../../../provider/instagram/testdata/code_spent.json"));
    }
    let people = vec![Person { id: "6489782497758472".to_owned(), ..person }];
    let rig = rig_with(Options { people, ..Options::default() }).await;
    let grant = rig.grant("ada.makes").await;
    let me = format!(
        "v25.0/me?fields=account_type,id,username&access_token={}",
        grant.access_token.expose_secret()
    );
    let answer = rig.get(&me).await;
    assert_eq!(answer.body, include_str!("../../../provider/instagram/testdata/me_recorded.json"));
    let unversioned = rig.get(&me.replace("v25.0/", "")).await;
    assert_eq!(unversioned.body, answer.body);
}

#[tokio::test]
async fn errors_carry_a_trace_id_of_their_own() {
    let rig = rig().await;
    let mut traces = std::collections::HashSet::new();
    for _ in 0..3 {
        let answer = rig.get("/me?access_token=IGAAnever").await;
        assert_eq!(answer.headers["www-authenticate"].to_str().unwrap().split(' ').next(), Some("OAuth"));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        traces.insert(body["error"]["fbtrace_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(traces.len(), 3);
    assert!(traces.iter().all(|trace| trace.len() == 23));
}

#[tokio::test]
async fn a_code_belongs_to_its_redirect_address() {
    let rig = rig().await;
    let code = rig.code("ada.makes").await;
    let url = rig.standin.url().join("oauth/access_token").unwrap();
    let mut request = crate::transport::Outgoing::new(http::Method::POST, url);
    request.body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &rig.standin.options().app_id)
        .append_pair("client_secret", rig.standin.options().app_secret.expose_secret())
        .append_pair("grant_type", "authorization_code")
        .append_pair("redirect_uri", Url::parse(&format!("{CALLBACK}/")).unwrap().as_str())
        .append_pair("code", code.expose_secret())
        .finish()
        .into();
    let answer = rig.transport.send(request).await.unwrap();
    assert!(String::from_utf8(answer.body.to_vec()).unwrap().contains("redirect_uri is identical"));
    assert!(rig.instagram.redeem(&code).await.outcome.is_ok(), "the right address still may");
}
