//! A configuration that is accepted can be printed and read again from what was printed, to the
//! same settings; and neither the print nor a complaint holds a secret.
#![no_main]

use holdfast::settings::table::TABLE;
use holdfast::settings::{ConfigFile, Environment, Origin, Purpose, load, shown};
use libfuzzer_sys::fuzz_target;

/// Good values for secrets, which are not printed.
const SECRETS: [(&str, &str); 7] = [
    ("HOLDFAST_DATABASE_URL", "sqlite://holdfast.db"),
    ("HOLDFAST_ENCRYPTION_KEYS", "a:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
    ("HOLDFAST_WEBHOOK_SECRET", "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
    ("CLERK_SECRET_KEY", "sk_test_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"),
    ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
    ("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef"),
    ("INSTAGRAM_CLIENT_SECRET", "0123456789abcdef0123456789abcdef"),
];

fuzz_target!(|text: &str| {
    // A value may stand in a file that the document names; reading whatever the fuzzer names could
    // take for ever.
    if text.to_ascii_lowercase().contains("file") || text.contains('\\') {
        return;
    }
    let file = ConfigFile { path: "fuzz.toml".into(), text: text.to_owned() };
    let nothing = Environment::default();
    let printed = shown(&nothing, Some(&file));
    let Ok(mut settings) = load(&nothing, Some(&file), Purpose::Tools) else { return };

    let set: Vec<(&str, String)> = printed
        .into_iter()
        .zip(TABLE)
        .filter(|(line, _)| line.origin != Origin::Default)
        .map(|(line, setting)| {
            if !setting.is_secret() {
                return (line.name, line.value);
            }
            assert_eq!(line.value, "(set, not shown)");
            let known =
                SECRETS.iter().find(|(name, _)| *name == line.name).expect("every secret has a good value");
            (line.name, known.1.to_owned())
        })
        .collect();
    let again = load(&Environment::of(set), None, Purpose::Tools);
    let mut again = again.unwrap_or_else(|faults| panic!("what was printed is refused: {faults}"));
    // They name the place that a value came from, which differs.
    (settings.warnings, again.warnings) = (Vec::new(), Vec::new());
    assert_eq!(format!("{settings:?}"), format!("{again:?}"));
});
