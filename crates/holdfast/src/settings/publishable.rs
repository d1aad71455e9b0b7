//! The issuer that a publishable key names.

/// `https://` and the Frontend API's host, from a publishable key.
pub fn issuer(key: &str) -> Option<String> {
    use base64::Engine as _;
    let encoded = key.strip_prefix("pk_live_").or_else(|| key.strip_prefix("pk_test_"))?;
    let bytes =
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    let host = String::from_utf8(bytes).ok()?;
    let host = host.strip_suffix('$')?;
    (host.contains('.') && !host.contains('$')).then(|| format!("https://{host}"))
}
