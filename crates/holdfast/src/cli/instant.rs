//! A time as people and other programs write it.

use jiff::Timestamp;

use crate::clock::parse_time;

/// RFC 3339, or unix seconds with or without a fraction, as `extract(epoch FROM …)` and other
/// languages' clocks give one.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if let Some(at) = parse_time(text) {
        return Some(at);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanoseconds = format!("{fraction:0<9}").get(..9).filter(|_| is_fraction)?.parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        let at = |text| parse(text).map(Timestamp::as_millisecond);
        assert_eq!(at("2026-11-01T10:00:00.5Z"), Some(1_793_527_200_500));
        assert_eq!(at("1793527200"), Some(1_793_527_200_000));
        assert_eq!(at("1793527200.5"), Some(1_793_527_200_500));
        assert_eq!(at("1793527200.12345678901"), Some(1_793_527_200_123));
        for wrong in ["1793527200.1e9", "1.793.527", ".5", "1793527200,5", "1e9", "soon", ""] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
