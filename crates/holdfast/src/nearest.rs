//! "Did you mean": the nearest known text to a mistyped one.

/// The known name nearest to `name`, where one is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = (name.len() / 3).max(2);
    let length = name.chars().count();
    known
        // Texts are at least as far apart as their lengths; whoever calls may send a long one.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= near_enough)
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= near_enough)
        .map(|(_, candidate)| candidate)
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
    fn measures_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
