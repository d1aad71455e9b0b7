//! The verifier's remedies in the words of this server's settings and commands.

use clerk_session::Remedy;

use super::can_be_issuer;

/// The remedy of a refusal, for the operator. `is_as_of_then`: the time was given, so it says
/// nothing about this machine's clock.
pub fn remedy_text(remedy: &Remedy, is_as_of_then: bool) -> String {
    match remedy {
        Remedy::SynchronizeClock { .. } if is_as_of_then => {
            "The time that --at gives is before the token's: give that of the request. If it was that, synchronize \
             the clock of the server that wrote it down (NTP)."
                .to_owned()
        }
        Remedy::SendTokenInsteadOf { .. } => {
            "Service keys are for the `/service` routes. On this route send what `await getToken()` returns.".to_owned()
        }
        Remedy::CompareKeys { .. } => {
            format!("{remedy} `holdfast doctor` compares this server's keys with the instance's.")
        }
        // A remedy must not name what the setting refuses.
        Remedy::AcceptIssuer { issuer } if !can_be_issuer(issuer.trim_matches('`')) => format!(
            "{issuer} is not an issuer as Clerk writes them, so CLERK_ISSUER cannot hold it: look for a customized session token that overrides `iss`."
        ),
        Remedy::AcceptAudience { audience, .. } if audience.contains(',') => format!(
            "{audience} cannot stand in CLERK_AUDIENCE, which has commas between audiences: change `aud` in the customized session token."
        ),
        Remedy::AcceptIssuer { issuer } => format!(
            "Your own Clerk instance signed the token under another address, as behind a proxy or on a satellite domain: add \
             {issuer} to CLERK_ISSUER."
        ),
        Remedy::AcceptParty { party } => {
            format!("If this front end is yours, add {party} to CLERK_AUTHORIZED_PARTIES (by default the allowed origins).")
        }
        Remedy::AcceptMissingParty => "Tokens from `getToken()` in a browser carry `azp`. Clerk's mobile SDKs (Expo, iOS, \
                                       Android) and servers get tokens without it: to accept those, set \
                                       CLERK_AUTHORIZED_PARTIES_MODE=if_present.".to_owned(),
        Remedy::AcceptAudience { audience, .. } => {
            format!("Add {audience} to CLERK_AUDIENCE, or change `aud` in the customized session token.")
        }
        Remedy::DropAudience { .. } => {
            "Your session tokens carry no audience: unset CLERK_AUDIENCE, or add the claim `aud` to the customized session token.".to_owned()
        }
        Remedy::ReachKeys => "Check that this machine reaches Clerk's keys (`holdfast doctor`), or pin the key with CLERK_JWT_KEY.".to_owned(),
        // The others name no setting; the verifier's own words serve.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table;

    /// A remedy that names a setting names one that is there.
    #[test]
    fn every_setting_that_is_named_exists() {
        let issuer = "`https://clerk.shop.example`".to_owned();
        let names: Vec<&str> = table::TABLE.iter().map(|setting| setting.env).collect();
        let mut named = 0;
        for remedy in [
            Remedy::CompareKeys { found: None, known: Vec::new() },
            Remedy::AcceptIssuer { issuer: issuer.clone() },
            Remedy::AcceptParty { party: issuer.clone() },
            Remedy::AcceptMissingParty,
            Remedy::AcceptAudience { audience: issuer, accepted: Vec::new() },
            Remedy::DropAudience { accepted: Vec::new() },
            Remedy::ReachKeys,
        ] {
            let text = remedy_text(&remedy, false);
            for word in text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')) {
                if word.starts_with("CLERK_") {
                    assert!(names.contains(&word), "{word} in {text}");
                    named += 1;
                }
            }
        }
        assert_eq!(named, 6);
    }

    #[test]
    fn no_remedy_names_a_value_that_its_setting_refuses() {
        let issuer = |text: &str| remedy_text(&Remedy::AcceptIssuer { issuer: format!("`{text}`") }, false);
        assert!(issuer("https://app.example.com/__clerk").contains("to CLERK_ISSUER"));
        for odd in [
            "https://clerk.example.com/",
            "clerk.example.com",
            "https://a.example,https://b.example",
            " https://a.example",
        ] {
            assert!(issuer(odd).contains("cannot hold it"), "{}", issuer(odd));
        }
        let audience = |text: &str| {
            remedy_text(
                &Remedy::AcceptAudience { audience: format!("`{text}`"), accepted: Vec::new() },
                false,
            )
        };
        assert!(audience("convex").starts_with("Add `convex` to CLERK_AUDIENCE"));
        assert!(audience("a,b").contains("cannot stand in CLERK_AUDIENCE"));
    }

    #[test]
    fn a_time_that_was_given_is_no_clock_that_is_wrong() {
        let remedy = Remedy::SynchronizeClock { ahead_ms: 60_000 };
        assert!(remedy_text(&remedy, false).starts_with("This server's clock differs"));
        assert!(remedy_text(&remedy, true).starts_with("The time that --at gives"));
    }
}
