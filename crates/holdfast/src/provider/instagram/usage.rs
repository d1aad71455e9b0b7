//! The used budget by Meta's headers `X-App-Usage` and `X-Business-Use-Case-Usage`.
//!
//! Both appear only "once enough calls have been made". Source: Graph API, "Rate limits".

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::provider::Usage;
use crate::transport::Answer;

/// Longer waits are cut to this: windows are 24 hours long.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Meta's usage headers.
const NAMES: [&str; 4] = ["x-app-usage", "x-business-use-case-usage", "x-ad-account-usage", "x-page-usage"];
/// Longest usage header that is copied, in bytes.
const LONGEST_HEADER: usize = 8 * 1024;

/// The usage headers of an answer, unchanged, for the caller of a pass-through.
pub fn copy(headers: &HeaderMap) -> HeaderMap {
    let mut copied = HeaderMap::new();
    for name in NAMES {
        for value in headers.get_all(name).iter().filter(|value| value.len() <= LONGEST_HEADER) {
            copied.append(name, value.clone());
        }
    }
    copied
}

/// Reads both headers; what is missing or not understood is `None`.
pub fn read(headers: &HeaderMap) -> Usage {
    let mut usage = Usage::default();
    for figures in each::<Figures>(headers, "x-app-usage") {
        usage.app_percent = usage.app_percent.max(figures.highest());
    }
    for objects in each::<BusinessObjects>(headers, "x-business-use-case-usage") {
        // The other use cases (ads, pages, messenger) are not ours.
        for entry in
            objects.0.into_iter().filter(|entry| entry.kind.as_deref().is_none_or(|kind| kind == "instagram"))
        {
            let regains = entry.minutes_to_regain.map(minutes).filter(|wait| !wait.is_zero());
            usage.account_regains_in = usage.account_regains_in.max(regains);
        }
    }
    usage
}

/// `Retry-After`. Meta documents none; a proxy in front of it may still send one.
pub fn retry_after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    answer.retry_after(now).map(|wait| wait.min(LONGEST_WAIT))
}

fn each<'a, T: Deserialize<'a>>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = T> {
    headers.get_all(name).iter().filter_map(|value| serde_json::from_slice(value.as_bytes()).ok())
}

/// Percentages of a budget; any of them at 100 means throttled.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    #[serde(deserialize_with = "figure")]
    call_count: Option<f64>,
    #[serde(deserialize_with = "figure")]
    total_time: Option<f64>,
    #[serde(deserialize_with = "figure")]
    total_cputime: Option<f64>,
}

/// A number, or a number as text. Anything else is `None`, so that the other figures still count.
fn figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

impl Figures {
    fn highest(&self) -> Option<u32> {
        [self.call_count, self.total_time, self.total_cputime].into_iter().flatten().map(percent).max()
    }
}

/// One use case of one business object.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// In minutes.
    #[serde(rename = "estimated_time_to_regain_access", default, deserialize_with = "figure")]
    minutes_to_regain: Option<f64>,
}

/// All entries of all business objects. Not a map: Meta's own sample repeats a key.
struct BusinessObjects(Vec<Entry>);

impl<'de> Deserialize<'de> for BusinessObjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EveryEntry)
    }
}

struct EveryEntry;

impl<'de> Visitor<'de> for EveryEntry {
    type Value = BusinessObjects;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arrays of use cases")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while map.next_key::<IgnoredAny>()?.is_some() {
            // Skip an unreadable entry: the others still count.
            if let Value::Array(listed) = map.next_value()? {
                entries.extend(listed.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()));
            }
        }
        Ok(BusinessObjects(entries))
    }
}

/// Rounded up, so that 99.2 % of a budget counts as spent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the target"
)]
fn percent(figure: f64) -> u32 {
    figure.ceil().clamp(0.0, 1000.0) as u32
}

fn minutes(figure: f64) -> Duration {
    Duration::try_from_secs_f64(figure * 60.0).map_or(Duration::ZERO, |wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn no_header_says_nothing() {
        assert_eq!(read(&HeaderMap::new()), Usage::default());
    }

    #[test]
    fn the_highest_figure_counts() {
        let usage = read(&headers(&[(
            "x-app-usage",
            r#"{"call_count":28,"total_time":25.2,"total_cputime":91.01}"#,
        )]));
        assert_eq!(usage.app_percent, Some(92));
        assert_eq!(usage.account_regains_in, None);
    }

    #[test]
    fn a_repeated_key_hides_nothing_and_the_wait_is_in_minutes() {
        let usage = read(&headers(&[(
            "x-business-use-case-usage",
            r#"{"1":[{"type":"instagram","call_count":95,"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":19}],"1":[{"type":"instagram","call_count":5,"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":0}],"2":[{"type":"ads_insights","call_count":100,"estimated_time_to_regain_access":600}]}"#,
        )]));
        assert_eq!(usage.account_regains_in, Some(Duration::from_mins(19)));
        assert_eq!(usage.app_percent, None);
    }

    /// davidwickerhf/instaclient#24, sachin-handiekar/jInstagram#174: several accounts in one
    /// header, figures that are missing or null. An odd entry is no reason not to see the others.
    #[test]
    fn an_odd_entry_hides_none_of_the_others() {
        for odd in ["null", "7", r#"{"type":"instagram","call_count":100}"#, r#"[null,"x",{"type":7}]"#] {
            let value = format!(
                r#"{{"178414":{odd},"178415":[{{"type":"instagram","call_count":"95","total_time":null,"total_cputime":{{}},"estimated_time_to_regain_access":"19"}}]}}"#
            );
            let usage = read(&headers(&[("x-business-use-case-usage", &value)]));
            assert_eq!(usage.account_regains_in, Some(Duration::from_mins(19)), "{odd}");
        }
        let app =
            read(&headers(&[("x-app-usage", r#"{"call_count":28,"total_time":null,"total_cputime":"91"}"#)]));
        assert_eq!(app.app_percent, Some(91));
    }

    #[test]
    fn nonsense_is_ignored() {
        for value in ["", "{", "[]", "null", r#"{"call_count":"many"}"#, r#"{"1":{"type":"instagram"}}"#] {
            let usage = read(&headers(&[("x-app-usage", value), ("x-business-use-case-usage", value)]));
            assert_eq!(usage, Usage::default(), "{value}");
        }
    }

    #[test]
    fn waits_are_bounded() {
        let long = r#"{"1":[{"type":"instagram","estimated_time_to_regain_access":1e300}]}"#;
        let usage = read(&headers(&[("x-business-use-case-usage", long)]));
        assert!(usage.account_regains_in.is_none_or(|wait| wait <= LONGEST_WAIT));
        for far in ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let headers = headers(&[("retry-after", far)]);
            let answer = Answer { status: StatusCode::OK, headers, body: Bytes::new() };
            assert_eq!(retry_after(&answer, Timestamp::UNIX_EPOCH), Some(LONGEST_WAIT), "{far}");
        }
    }
}
