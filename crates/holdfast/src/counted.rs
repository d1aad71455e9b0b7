//! How many there are, in words.

/// `1 refresh is overdue`, `3 refreshes are overdue`.
pub fn counted(amount: u64, one: &str, several: &str) -> String {
    format!("{amount} {}", if amount == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        let told = [0, 1, 2].map(|amount| counted(amount, "event waits", "events wait"));
        assert_eq!(told, ["0 events wait", "1 event waits", "2 events wait"]);
    }
}
