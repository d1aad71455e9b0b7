//! The verifier's remedies in the words of this server's settings and commands.

use clerk_session::Remedy;

/// What would mend a refusal, for the operator.
pub(super) fn remedy_text(remedy: &Remedy) -> String {
    match remedy {
        Remedy::SendTokenInsteadOf { .. } => {
            "Service keys are for the `/service` routes; here send what `await getToken()` returns.".to_owned()
        }
        Remedy::CompareKeys { .. } => {
            format!("{remedy} `holdfast doctor` compares this server's keys with the instance's.")
        }
        Remedy::AcceptIssuer { issuer } => format!(
            "The token is signed by your own Clerk instance under another address, as behind a proxy or on a satellite domain: add {issuer} to CLERK_ISSUER."
        ),
        Remedy::AcceptParty { party } => {
            format!("If this front end is yours, add {party} to CLERK_AUTHORIZED_PARTIES (by default the allowed origins).")
        }
        Remedy::AcceptMissingParty => "Tokens from `getToken()` in a browser carry `azp`. Clerk's mobile SDKs (Expo, iOS, Android) and servers mint tokens without it: to admit those, set CLERK_AUTHORIZED_PARTIES_MODE=if_present.".to_owned(),
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
        let names: Vec<&str> = table::TABLE.iter().map(|setting| setting.env()).collect();
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
            let text = remedy_text(&remedy);
            for word in text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')) {
                if word.starts_with("CLERK_") {
                    assert!(names.contains(&word), "{word} in {text}");
                    named += 1;
                }
            }
        }
        assert_eq!(named, 6);
    }
}
