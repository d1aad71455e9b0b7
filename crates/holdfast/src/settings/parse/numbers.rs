//! Readers of lengths of time and of fractions.

use std::time::Duration;

use super::{Read, Wrong};

/// Whole seconds.
pub fn seconds(text: &str) -> Read<Duration> {
    text.parse().map(Duration::from_secs).map_err(|_| {
        let meant = length(text).filter(|length| length.subsec_nanos() == 0);
        let remedy = meant.map_or_else(
            || "write digits alone, like 60".to_owned(),
            |meant| format!("write {}", meant.as_secs()),
        );
        Wrong::new("is not a whole number of seconds", remedy)
    })
}

/// A length of time with its unit, as people write it: `10m`, `10 minutes`, `500ms`.
pub fn length(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|each: char| !each.is_ascii_digit())?);
    let number: u64 = digits.parse().ok()?;
    let unit = unit.trim_start_matches([' ', '_', '-']).to_ascii_lowercase();
    let milliseconds = match unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(&unit) {
        "ms" | "msec" | "millisecond" => 1,
        "s" | "sec" | "second" => 1_000,
        "m" | "min" | "minute" => 60_000,
        "h" | "hr" | "hour" => 3_600_000,
        "d" | "day" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// How long a server that was told to stop serves on: nobody waits longer than an hour for that.
pub fn drain(text: &str) -> Read<Duration> {
    const LONGEST: Duration = Duration::from_hours(1);
    let drain = seconds(text);
    if drain.as_ref().ok().copied().or_else(|| length(text)).is_some_and(|drain| drain > LONGEST) {
        return Err(Wrong::new(
            "is more than an hour, and the process would not end before",
            "write at most 3600",
        ));
    }
    drain
}

/// A fraction of a grant's life: from 0, which leaves it to the minimum age, to below 1, at which
/// the grant is dead.
pub fn fraction(text: &str) -> Read<f64> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..1.0).contains(&number) => Ok(number),
        Ok(number) if number >= 1.0 => Err(Wrong::new(
            "is not before the end of a grant's life, after which it cannot be refreshed",
            "write a fraction below 1, like 0.5",
        )),
        _ => Err(Wrong::new("is not a fraction between 0 and 1", format!("write {}", meant_fraction(text)))),
    }
}

/// The fraction that `50%` or `0,5` means.
fn meant_fraction(text: &str) -> String {
    let percent = text.strip_suffix('%').and_then(|text| text.trim_end().parse::<f64>().ok());
    let meant = percent.map(|percent| percent / 100.0).or_else(|| text.replace(',', ".").parse().ok());
    meant
        .filter(|meant| (0.0..1.0).contains(meant))
        .map_or_else(|| "it like 0.5".to_owned(), |meant| meant.to_string())
}
