//! Names that are not, or no longer, a setting's.

use super::{Collected, Environment};
use crate::nearest::nearest;
use crate::settings::entry::TomlKey;
use crate::settings::fault::Fault;
use crate::settings::table::TABLE;

/// Names that a setting had before, and its name now.
const FORMER: &[(&str, &str)] = &[("HOLDFAST_SPILL_DIR", "HOLDFAST_JOURNAL_DIR")];

pub(super) fn warn_of_former_names(collected: &mut Collected) {
    for (former, name) in FORMER {
        let Some(used) = collected.values.get(name).and_then(|found| found.origin.name()) else { continue };
        // In the spelling, and with the ending, of the place where it stands.
        let spellings = [
            ((*former).to_owned(), (*name).to_owned()),
            (TomlKey::of(former).to_string(), TomlKey::of(name).to_string()),
        ];
        let renamed = spellings.iter().find_map(|(former, name)| {
            used.strip_prefix(former.as_str()).map(|ending| format!("{name}{ending}"))
        });
        if let Some(name) = renamed {
            let what = format!("{name} is the name by now");
            let warning = Fault::new(used, what, format!("rename it to {name}"));
            collected.warnings.push(warning);
        }
    }
}

/// Settings of Clerk's SDKs and of our clients, and names that apps commonly have, none of which is
/// a misspelling of ours.
const OTHERS: &[&str] = &[
    "CLERK_API_KEY",
    "CLERK_API_VERSION",
    "CLERK_ENCRYPTION_KEY",
    "CLERK_FAPI",
    "CLERK_FAPI_URL",
    "CLERK_FRONTEND_API",
    "CLERK_FRONTEND_API_URL",
    "CLERK_IS_SATELLITE",
    "CLERK_JS_URL",
    "CLERK_JS_VERSION",
    "CLERK_MACHINE_SECRET_KEY",
    "CLERK_SIGN_IN_URL",
    "CLERK_SIGN_UP_URL",
    "CLERK_TELEMETRY_DEBUG",
    "CLERK_TELEMETRY_DISABLED",
    "CLERK_WEBHOOK_URL",
    // What the READMEs of our clients call theirs, in an environment that both may share.
    "HOLDFAST_SERVICE_KEY",
    "HOLDFAST_URL",
    "INSTAGRAM_ACCESS_TOKEN",
    "INSTAGRAM_ACCOUNT_ID",
    "INSTAGRAM_BASE_URL",
    "INSTAGRAM_CALLBACK_URL",
    "INSTAGRAM_PASSWORD",
    "INSTAGRAM_REDIRECT_URI",
    "INSTAGRAM_REDIRECT_URL",
    "INSTAGRAM_URL",
    "INSTAGRAM_USERNAME",
    "INSTAGRAM_USER_ID",
    "INSTAGRAM_VERIFY_TOKEN",
    "INSTAGRAM_WEBHOOK_SECRET",
];

/// What guides and other programs call a setting, and its name here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("CLERK_SIGNING_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"),
    ("INSTAGRAM_CLIENT_ID", "INSTAGRAM_APP_ID"),
    ("INSTAGRAM_CLIENT_SECRET", "INSTAGRAM_APP_SECRET"),
];

/// Judges unknown names: with our prefix they are faults; near misses of Clerk's and Instagram's
/// names are warnings, since an existing application has many settings that do not concern us.
pub(super) fn judge_names(environment: &Environment, collected: &mut Collected) {
    let known: Vec<&str> = TABLE.iter().flat_map(|setting| setting.names()).collect();
    for name in environment.values.keys().chain(&environment.unreadable) {
        let base = name.strip_suffix("_FILE").unwrap_or(name);
        if known.contains(&name.as_str()) || known.contains(&base) {
            continue;
        }
        if is_of_others(name, environment) {
            continue;
        }
        if name.starts_with("HOLDFAST_") {
            collected.faults.push(unknown(name, known.iter().copied(), "in the environment"));
        } else if let Some((_, meant)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == base) {
            if !collected.values.contains_key(meant) {
                let what = format!("other programs read it; here it is {meant}, which is not set");
                collected.misspelt.push(Fault::new(name, what, format!("set {meant} to the same value")));
            }
        } else if ["CLERK_", "INSTAGRAM_"].iter().any(|prefix| name.starts_with(prefix))
            && let Some(meant) = nearest(name, known.iter().copied())
        {
            collected.misspelt.push(Fault::new(
                name,
                "no such setting; it has no effect here",
                format!("did you mean {meant}?"),
            ));
        }
    }
}

/// Whether the name is known to be another program's.
pub(super) fn is_of_others(name: &str, environment: &Environment) -> bool {
    OTHERS.contains(&name.strip_suffix("_FILE").unwrap_or(name)) || is_service_link(name, environment)
}

/// Kubernetes puts `HOLDFAST_SERVICE_HOST`, `HOLDFAST_PORT_8080_TCP_ADDR` and the like into every
/// container of a namespace that has a service named `holdfast`, and `HOLDFAST_DB_SERVICE_HOST` and
/// its like for one named `holdfast-db`; nobody wrote those. Somebody wrote `HOLDFAST_PORT=3000`: a
/// link's is an address.
fn is_service_link(name: &str, environment: &Environment) -> bool {
    let is_link_to = |service: &str| {
        let Some(rest) = name.strip_prefix(service).and_then(|rest| rest.strip_prefix('_')) else {
            return false;
        };
        let begins_with_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        match rest {
            "PORT" => environment.values.get(name).is_none_or(|value| value.contains("://")),
            "SERVICE_HOST" | "SERVICE_PORT" => true,
            _ => {
                rest.starts_with("SERVICE_PORT_")
                    || rest.strip_prefix("PORT_").is_some_and(begins_with_number)
            }
        }
    };
    let services = environment.values.keys().filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
    std::iter::once("HOLDFAST").chain(services).any(is_link_to)
}

pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>, place: &str) -> Fault {
    let remedy = nearest(name, known).map_or_else(
        || "see docs/reference/settings.md for the names, or remove it".to_owned(),
        |meant| format!("did you mean {meant}?"),
    );
    Fault::new(name, format!("there is no setting of that name; it stands {place}"), remedy)
}
