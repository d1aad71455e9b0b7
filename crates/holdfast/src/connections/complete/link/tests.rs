use super::*;

const SCOPED: &str = "25982752248032036";
const PROFESSIONAL: &str = "17841479677897649";

#[test]
fn an_answer_names_the_account_that_the_token_was_issued_for_or_fails() {
    let named = |id: &str, professional: Option<&str>, issued_for| {
        let account = Account {
            id: id.to_owned(),
            professional_id: professional.map(str::to_owned),
            username: None,
            name: None,
            account_type: None,
            profile_picture_url: None,
        };
        let account = named(account, issued_for).ok()?;
        Some((account.id, account.professional_id))
    };
    let whole = Some((SCOPED.to_owned(), Some(PROFESSIONAL.to_owned())));
    assert_eq!(named(SCOPED, Some(PROFESSIONAL), Some(SCOPED)), whole);
    assert_eq!(named(PROFESSIONAL, Some(PROFESSIONAL), Some(SCOPED)), whole);
    assert_eq!(named(PROFESSIONAL, None, Some(SCOPED)), whole);
    assert_eq!(named(SCOPED, None, Some(SCOPED)), Some((SCOPED.to_owned(), None)));
    assert_eq!(named(PROFESSIONAL, None, Some(PROFESSIONAL)), Some((PROFESSIONAL.to_owned(), None)));
    assert_eq!(named("999", None, Some(SCOPED)), None);
    assert_eq!(named("999", Some(PROFESSIONAL), Some(SCOPED)), None);
    assert_eq!(named(PROFESSIONAL, None, Some("17849999999999999")), None, "both may be app-scoped");
}
