//! Whatever is allowed as `return_to` is, to another parser of the URL standard, at an origin of
//! the list; and what the callback adds to it neither moves it nor loses what the app had put
//! there.
#![no_main]

use std::sync::LazyLock;

use holdfast::connection::return_url::{ReturnUrls, with_query};
use libfuzzer_sys::fuzz_target;

static LIST: LazyLock<ReturnUrls> = LazyLock::new(|| {
    ReturnUrls::parse([
        "https://app.example.com",
        "https://preview-*--acme.netlify.app",
        "https://other.example.com/settings",
        "http://localhost:5173",
    ])
    .expect("a good list")
});

const ADDED: [(&str, &str); 3] = [("instagram", "complete"), ("attempt", "a&b=c"), ("completion", "#+%20é")];

fn is_listed(url: &ada_url::Url) -> bool {
    match &*url.origin() {
        "https://app.example.com" | "http://localhost:5173" => true,
        "https://other.example.com" => {
            url.pathname() == "/settings" || url.pathname().starts_with("/settings/")
        }
        preview => preview
            .strip_prefix("https://preview-")
            .and_then(|rest| rest.strip_suffix("--acme.netlify.app"))
            .is_some_and(|label| !label.is_empty() && !label.contains(['.', '/', ':', '@'])),
    }
}

fuzz_target!(|asked: &str| {
    let Ok(url) = LIST.choose(Some(asked)) else { return };
    let second = ada_url::Url::parse(asked, None).expect("the other parser reads it too");
    assert!(is_listed(&second), "{asked} is {}", second.href());
    assert!(second.username().is_empty() && second.password().is_empty());

    let back = with_query(url.clone(), &ADDED);
    let second = ada_url::Url::parse(back.as_str(), None).expect("the other parser reads it too");
    assert!(is_listed(&second), "{back}");
    assert_eq!((back.origin(), back.path(), back.fragment()), (url.origin(), url.path(), url.fragment()));
    let is_ours = |name: &str| matches!(name, "instagram" | "attempt" | "completion" | "reason");
    let (ours, apps): (Vec<_>, Vec<_>) = back.query_pairs().partition(|(name, _)| is_ours(name));
    let before: Vec<_> = url.query_pairs().filter(|(name, _)| !is_ours(name)).collect();
    assert_eq!(apps, before);
    assert!(ours.iter().map(|(name, value)| (&**name, &**value)).eq(ADDED));
});
