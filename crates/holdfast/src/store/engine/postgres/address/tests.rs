use super::*;

#[test]
fn an_address_of_ipv6_has_no_brackets() {
    for (url, host) in [("postgres://u@[::1]:5432/db", "::1"), ("postgres://u@db:5432/db", "db")] {
        assert_eq!(read(url).unwrap().get_host(), host);
    }
}

#[test]
fn an_address_that_cannot_be_read_says_which_part_is_wrong() {
    for (url, part) in [
        ("postgres://u:pa/hunter2@db/app", "in a password, write / as %2F"),
        ("postgres://u:pa#hunter2@db/app", "in a password"),
        ("postgres://u:hunter2@/app", "no host"),
        ("postgres://u:hunter2@db/app?sslmode=no-verify", "its sslmode is none of disable"),
        ("postgres://u:hunter2@db/app?port=x", "its port"),
        ("postgres://u:hunter2@one,two/app", "several hosts"),
    ] {
        let told = read(url).unwrap_err().to_string();
        assert!(told.contains(part), "{url}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
