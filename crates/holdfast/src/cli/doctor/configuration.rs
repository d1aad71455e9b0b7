//! The settings, as far as they can be judged without asking anybody.

use clerk_session::PublishableKey;
use url::Url;

use super::super::Failure;
use super::super::context::Context;
use super::code;
use super::report::Report;
use crate::address::is_on_the_internet;
use crate::counted::counted;
use crate::settings::Settings;
use crate::settings::table::CLERK_PUBLISHABLE_KEY;

/// The configuration, as far as it can be read.
pub(super) struct Read {
    pub(super) settings: Settings,
    /// Whether `serve` would take it; otherwise what is faulty has been left out.
    pub(super) is_complete: bool,
}

/// The configuration as `serve` needs it. Where it is incomplete, the checks go on with what can be
/// read.
pub(super) fn check(context: &Context, report: &mut Report) -> Result<Option<Read>, Failure> {
    let file = context.file()?;
    check_publishable_keys(context, report);
    let faults = match context.load_to_serve(file.as_ref(), |_| None) {
        Ok((settings, _)) => {
            let warnings = counted(settings.warnings.len() as u64, "warning", "warnings");
            report.add(code::CONFIGURATION.passed(format!("complete, {warnings}")));
            for fault in &settings.warnings {
                let what = format!("{}: {}", fault.name, fault.what);
                report.add(code::CONFIGURATION.warning(what).mended_by(fault.remedy.clone()));
            }
            check_addresses(&settings, report);
            return Ok(Some(Read { settings, is_complete: true }));
        }
        Err(faults) => faults,
    };
    // The other checks go on without the settings that cannot be read.
    let readable = context.besides(file.as_ref(), &faults);
    if let Some(remedy) = context.nothing_read() {
        report.add(code::CONFIGURATION.failed("none was found").mended_by(remedy));
    }
    for fault in faults.0 {
        let what = format!("{}: {}", fault.name, fault.what);
        report.add(code::CONFIGURATION.failed(what).mended_by(fault.remedy));
    }
    if readable.is_none() {
        report.add(code::DATABASE.skipped("the configuration cannot be read; nothing else was checked"));
    }
    Ok(readable.map(|settings| Read { settings, is_complete: false }))
}

fn check_publishable_keys(context: &Context, report: &mut Report) {
    let names = CLERK_PUBLISHABLE_KEY.names();
    let given: Vec<(&str, String)> = names
        .filter_map(|name| Some((name, context.environment.get(name)?)))
        .filter_map(|(name, text)| {
            let key = PublishableKey::parse(text.trim()).ok()?;
            Some((name, key.frontend_api_host().to_owned()))
        })
        .collect();
    if let Some((first, host)) = given.first()
        && let Some((other, another)) = given.iter().find(|(_, each)| each != host)
    {
        let what = format!("{first} belongs to {host}, {other} to {another}; the first is used");
        report.add(code::PUBLISHABLE_KEYS.warning(what));
    }
}

fn check_addresses(settings: &Settings, report: &mut Report) {
    for origin in &settings.allowed_origins {
        if Url::parse(&origin.as_str().replace('*', "x")).is_ok_and(|url| is_insecure(&url)) {
            report.add(code::INSECURE_ORIGIN.failed(format!("{} is http", origin.as_str())));
        }
    }
    if let Some(webhook) = &settings.webhook
        && is_insecure(&webhook.url)
    {
        let host = webhook.url.host_str().unwrap_or_default();
        report.add(code::INSECURE_WEBHOOK.failed(format!("events go to {host} over http")));
    }
}

/// Whether what is sent there can be read on the way.
pub(super) fn is_insecure(url: &Url) -> bool {
    url.scheme() == "http" && is_on_the_internet(url)
}
