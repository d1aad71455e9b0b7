use super::*;

#[test]
fn a_certificate_that_is_not_trusted_is_no_fault_of_the_network() {
    let found = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let error = sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, found));
    let told = not_let_in(error, &PgConnectOptions::new_without_pgpass()).to_string();
    assert!(told.contains("TLS with") && told.contains("sslrootcert"), "{told}");
}
