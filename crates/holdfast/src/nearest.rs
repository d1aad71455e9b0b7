//! "Did you mean": the nearest known text to a mistyped one.

/// The known name nearest to `name`, where one is near enough to be meant: words that both begin
/// with do not count, or `HOLDFAST_FOO` would be near to every short name of ours.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let mut best: Option<(usize, &str)> = None;
    let mut a_word_apart = Vec::new();
    for candidate in known {
        let has_one_behind = name.strip_prefix(candidate).is_some_and(|rest| rest.starts_with('_'));
        if has_one_behind || is_without_a_word(name, candidate) {
            a_word_apart.push(candidate);
        }
        let (own, other) = without_common_words(name, candidate);
        let near_enough = (own.chars().count() / 3).max(1);
        // Texts are at least as far apart as their lengths. A caller may send a long one: skip the
        // work.
        if candidate.chars().count().abs_diff(length) > near_enough {
            continue;
        }
        let distance = distance(own, other);
        if distance <= near_enough && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    match (best, &*a_word_apart) {
        (Some((_, candidate)), _) => Some(candidate),
        // Among several, none is the likelier one.
        (None, [candidate]) => Some(candidate),
        (None, _) => None,
    }
}

/// What ends a word.
const ENDS: [char; 5] = ['_', '.', '-', '/', ':'];

/// Both without the words that both begin with.
fn without_common_words<'a>(left: &'a str, right: &'a str) -> (&'a str, &'a str) {
    let same: usize =
        left.chars().zip(right.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let common = left[..same].rfind(ENDS).map_or(0, |end| end + 1);
    (&left[common..], &right[common..])
}

/// Whether `name` is `candidate` with one word left out, as `INSTAGRAM_SECRET` is of
/// `INSTAGRAM_APP_SECRET`.
fn is_without_a_word(name: &str, candidate: &str) -> bool {
    let (words, of): (Vec<&str>, Vec<&str>) = (name.split('_').collect(), candidate.split('_').collect());
    let same = words.iter().zip(&of).take_while(|(a, b)| a == b).count();
    words.len() >= 2 && words.len() + 1 == of.len() && words[same..] == of[same + 1..]
}

/// Levenshtein distance: insertions, deletions and replacements.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        let known = ["HOLDFAST_LISTEN", "HOLDFAST_LOG", "HOLDFAST_WORKER"];
        assert_eq!(nearest("HOLDFAST_LISTN", known.into_iter()), Some("HOLDFAST_LISTEN"));
        assert_eq!(nearest("HOLDFAST_LOGS", known.into_iter()), Some("HOLDFAST_LOG"));
        assert_eq!(nearest("SOMETHING_ELSE_ENTIRELY", known.into_iter()), None);
    }

    #[test]
    fn what_all_names_begin_with_makes_none_of_them_near() {
        let known = ["HOLDFAST_LISTEN", "HOLDFAST_LOG", "HOLDFAST_HTTP2", "HOLDFAST_DRAIN_S", "CLERK_DOMAIN"];
        for other in ["HOLDFAST_FOO", "HOLDFAST_X", "HOLDFAST_TLS", "HOLDFAST_DEBUG", "CLERK_DEBUG"] {
            assert_eq!(nearest(other, known.into_iter()), None, "{other}");
        }
        assert_eq!(nearest("HOLDFAST_LOGG", known.into_iter()), Some("HOLDFAST_LOG"));
        assert_eq!(nearest("HOLDFST_LOG", known.into_iter()), Some("HOLDFAST_LOG"));
        assert_eq!(nearest("HOLDFAST_DRAIN", known.into_iter()), Some("HOLDFAST_DRAIN_S"));
        let allowed = ["https://app.example.com"];
        assert_eq!(nearest("https://www.app.example.com", allowed.into_iter()), Some(allowed[0]));
        assert_eq!(nearest("http://app.example.com", allowed.into_iter()), Some(allowed[0]));
        assert_eq!(nearest("https://shop.example.org", allowed.into_iter()), None);
    }

    #[test]
    fn a_word_too_few_or_behind_is_seen_where_only_one_name_is_meant() {
        let known =
            ["INSTAGRAM_APP_SECRET", "INSTAGRAM_APP_ID", "HOLDFAST_PUBLIC_URL", "HOLDFAST_WEBHOOK_URL"];
        assert_eq!(nearest("INSTAGRAM_SECRET", known.into_iter()), Some("INSTAGRAM_APP_SECRET"));
        assert_eq!(nearest("HOLDFAST_URL", known.into_iter()), None, "which of the two?");
        assert_eq!(nearest("INSTAGRAM", known.into_iter()), None);
        assert_eq!(nearest("HOLDFAST_LOG_LEVEL", ["HOLDFAST_LOG"].into_iter()), Some("HOLDFAST_LOG"));
    }

    #[test]
    fn measures_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
