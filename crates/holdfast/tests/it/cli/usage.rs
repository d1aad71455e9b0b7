use super::support::Place;

#[test]
fn help_is_an_answer() {
    let ended = Place::new().run(&["--help"]);
    insta::assert_snapshot!(ended.whole());
}

#[test]
fn wrong_usage_is_exit_code_2_on_standard_error() {
    insta::assert_snapshot!(Place::new().run(&["serv"]).whole());
}

#[test]
fn no_command_says_which_there_are() {
    let ended = Place::new().run(&[]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("Usage: holdfast"), "{}", ended.stderr);
}
