//! The consent page.

use url::Url;

use super::{parameter, rig, rig_with};
use crate::provider::Provider as _;
use crate::standin::instagram::{Decision, Options};

fn with(url: &Url, name: &str, value: &str) -> Url {
    let mut changed = url.clone();
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(each, old)| {
            let new = if each == name { value.to_owned() } else { old.into_owned() };
            (each.into_owned(), new)
        })
        .collect();
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed
}

#[tokio::test]
async fn the_page_says_what_it_is_and_what_is_asked() {
    let app_name = "Holdfast demo <b>".to_owned();
    let rig = rig_with(Options { app_name, ..Options::default() }).await;
    let url = rig.instagram.authorize_url("s", true);
    let answer = rig.get(url.as_str()).await;
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    for part in [
        "This is a stand-in, not Instagram.",
        "ada.makes",
        "grace.hops",
        "edsger.writes",
        "Personal account, cannot be connected",
        "instagram_business_basic",
        "instagram_business_manage_insights",
        "http://127.0.0.1:8080",
        "Holdfast demo &lt;b&gt;",
        "value=\"approve\"",
        "value=\"deny\"",
        "prefers-color-scheme: dark",
        "width=device-width",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in ["<script", "http://www", "https://", "src="] {
        assert!(!page.contains(part), "no external resource: {part}");
    }
}

#[tokio::test]
async fn a_denial_comes_back_with_its_reason() {
    let rig = rig().await;
    let back = rig.decide(rig.instagram.authorize_url("s", false), "", &Decision::Deny).await.unwrap();
    assert_eq!(
        back.as_str(),
        "http://127.0.0.1:8080/instagram/callback?error=access_denied&error_reason=user_denied\
         &error_description=The+user+denied+your+request&state=s"
    );
}

#[tokio::test]
async fn a_personal_account_cannot_finish() {
    let rig = rig().await;
    let url = rig.instagram.authorize_url("s", false);
    assert_eq!(rig.decide(url.clone(), "edsger.at.home", &Decision::Approve).await, None);
    assert_eq!(rig.decide(url, "nobody", &Decision::Approve).await, None);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_never_reaches_the_app() {
    let rig = rig().await;
    let good = rig.instagram.authorize_url("s", false);
    for (name, value) in [
        ("client_id", "1"),
        ("response_type", "token"),
        ("redirect_uri", "https://elsewhere.example/"),
        ("redirect_uri", "not an address"),
        ("scope", "user_profile,user_media"),
        ("scope", "instagram_business_manage_insights"),
        ("scope", ""),
    ] {
        let bad = with(&good, name, value);
        let shown = rig.get(bad.as_str()).await;
        assert_eq!(shown.status, 400, "{name}={value}");
        assert_eq!(rig.decide(bad, "ada.makes", &Decision::Approve).await, None, "{name}={value}");
    }
    rig.standin.register_redirect_uri(Url::parse("https://app.example/callback").unwrap());
    assert_eq!(rig.get(good.as_str()).await.status, 400, "loopback is no longer enough");
    let registered = with(&good, "redirect_uri", "https://app.example/callback");
    let back = rig.decide(registered, "ada.makes", &Decision::Approve).await.unwrap();
    assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
}
