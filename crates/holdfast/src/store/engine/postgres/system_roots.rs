//! `sslrootcert=system`: the authorities that this machine trusts, as libpq since version 16 reads
//! it. The driver takes the word for the name of a file.
//!
//! Source: PostgreSQL, "Database Connection Control Functions", `sslrootcert`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::store::OpenError;

pub(super) const SYSTEM: &str = "system";
/// The parameter, as clients of Postgres write it.
pub(super) const NAMES: &[&str] = &["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// Trusts the machine's authorities if the address asks for it, and then verifies the server in
/// full. As in libpq, a weaker `sslmode` beside it is a mistake.
pub(super) fn applied(options: PgConnectOptions, address: &str) -> Result<PgConnectOptions, OpenError> {
    let address = Url::parse(address).ok();
    let last = |names: &[&str]| {
        let pairs = address.iter().flat_map(Url::query_pairs);
        pairs.filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| value).last()
    };
    if last(NAMES).is_none_or(|value| value != SYSTEM) {
        return Ok(options);
    }
    if last(&["sslmode", "ssl-mode"]).is_some_and(|mode| mode != "verify-full") {
        return Err(OpenError::Address(
            "sslrootcert=system goes with sslmode=verify-full alone: any machine can have a certificate of theirs"
                .to_owned(),
        ));
    }
    let bundle = bundle();
    if bundle.is_empty() {
        return Err(OpenError::AddressFile {
            option: "sslrootcert".to_owned(),
            path: SYSTEM.to_owned(),
            why:
                "this machine has no certificates of authorities; the package is often called ca-certificates"
                    .to_owned(),
        });
    }
    Ok(options.ssl_root_cert_from_pem(bundle.into_bytes()).ssl_mode(PgSslMode::VerifyFull))
}

/// The certificates in PEM, without those that TLS cannot use: the driver would refuse all for one.
fn bundle() -> String {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs().certs;
    let usable = found.into_iter().filter(|each| store.add(each.clone()).is_ok());
    usable.fold(String::new(), |pem, each| {
        pem + "-----BEGIN CERTIFICATE-----\n" + &STANDARD.encode(each) + "\n-----END CERTIFICATE-----\n"
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_word_system_trusts_this_machine_and_verifies_in_full() {
        let read = |parameters: &str| {
            let address = format!("postgres://u@db/app?{parameters}");
            applied(PgConnectOptions::from_str(&address).unwrap(), &address)
        };
        for parameters in ["sslrootcert=system", "sslmode=verify-full&sslrootcert=system"] {
            let options = read(parameters).unwrap();
            assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull), "{parameters}");
        }
        for weaker in ["require", "verify-ca", "prefer"] {
            let told = read(&format!("sslrootcert=system&sslmode={weaker}")).unwrap_err().to_string();
            assert!(told.contains("verify-full"), "{told}");
        }
        let named = read("sslrootcert=/etc/ssl/db-ca.pem").unwrap();
        assert!(matches!(named.get_ssl_mode(), PgSslMode::Prefer));
    }

    #[test]
    fn the_driver_can_use_every_certificate_of_the_bundle() {
        let mut store = RootCertStore::empty();
        let bundle = bundle();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            store.add(certificate.expect("PEM")).expect("an authority");
        }
        assert!(store.len() > 10, "ca-certificates is installed");
    }
}
