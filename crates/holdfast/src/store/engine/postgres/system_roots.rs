//! `sslrootcert=system`: the authorities that this machine trusts, as libpq since version 16 reads
//! it. The driver takes the word for the name of a file.
//!
//! Source: PostgreSQL, "Database Connection Control Functions", `sslrootcert`.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::store::OpenError;

pub(super) const SYSTEM: &str = "system";

/// Names the machine's bundle of certificates if the address asks for it. As in libpq, the server is
/// then verified in full unless the address says otherwise.
pub(super) fn applied(options: PgConnectOptions, address: &str) -> Result<PgConnectOptions, OpenError> {
    let address = Url::parse(address).ok();
    let last = |names: &[&str]| {
        let pairs = address.iter().flat_map(Url::query_pairs);
        pairs.filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| value).last()
    };
    if last(&["sslrootcert", "ssl-root-cert", "ssl-ca"]).is_none_or(|value| value != SYSTEM) {
        return Ok(options);
    }
    let Some(bundle) = openssl_probe::probe().cert_file else {
        return Err(OpenError::AddressFile {
            option: "sslrootcert".to_owned(),
            path: SYSTEM.to_owned(),
            why: "this machine has no bundle of certificates; the package is often called ca-certificates"
                .to_owned(),
        });
    };
    let options = options.ssl_root_cert(bundle);
    Ok(match last(&["sslmode", "ssl-mode"]) {
        Some(_) => options,
        None => options.ssl_mode(PgSslMode::VerifyFull),
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    /// libpq's meaning of the word, and only of the word.
    #[test]
    fn the_word_system_names_the_bundle_of_this_machine_and_verifies_in_full() {
        let described = |parameters: &str| {
            let address = format!("postgres://u@db/app?{parameters}");
            format!("{:?}", applied(PgConnectOptions::from_str(&address).unwrap(), &address).unwrap())
        };
        let bundle = openssl_probe::probe().cert_file.expect("ca-certificates is installed");
        for (parameters, mode) in [
            ("sslrootcert=system", "VerifyFull"),
            ("sslrootcert=system&sslmode=verify-ca", "VerifyCa"),
            ("sslmode=verify-full&sslrootcert=system", "VerifyFull"),
        ] {
            let options = described(parameters);
            assert!(options.contains(&format!("{bundle:?}")), "{options}");
            assert!(options.contains(&format!("ssl_mode: {mode}")), "{options}");
        }
        let named = described("sslrootcert=/etc/ssl/db-ca.pem");
        assert!(named.contains("db-ca.pem") && named.contains("ssl_mode: Prefer"), "{named}");
    }
}
