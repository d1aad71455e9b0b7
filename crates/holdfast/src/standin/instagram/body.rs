//! Bodies as Instagram writes them, byte for byte where a recording exists.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// JSON as PHP's `json_encode` leaves it: slashes escaped, and everything beyond ASCII.
pub fn json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, Escaping(CompactFormatter)));
    // Our own values always serialize; a stand-in that could not would answer with an empty body.
    written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
}

struct Escaping(CompactFormatter);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                '/' => writer.write_all(b"\\/")?,
                ascii if ascii.is_ascii() => {
                    self.0.write_string_fragment(writer, ascii.encode_utf8(&mut [0; 4]))?;
                }
                other => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// An error of the Graph API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphError {
    /// For people; some texts are all that tells errors apart.
    pub message: String,
    /// `OAuthException`, `IGApiException`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Code.
    pub code: i64,
    /// Sub-code; often missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_subcode: Option<i64>,
    /// Whether trying again may help.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_transient: bool,
    /// Meta's id of the request.
    pub fbtrace_id: String,
}

impl GraphError {
    /// An `OAuthException`.
    pub fn oauth(code: i64, error_subcode: Option<i64>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind: "OAuthException",
            code,
            error_subcode,
            is_transient: false,
            fbtrace_id: String::new(),
        }
    }

    /// An `IGApiException`.
    pub fn api(code: i64, message: impl Into<String>) -> Self {
        Self { kind: "IGApiException", ..Self::oauth(code, None, message) }
    }

    /// The whole body.
    pub fn to_body(&self) -> String {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a GraphError,
        }
        json(&Envelope { error: self })
    }
}

/// An error of the code exchange on `api.instagram.com`: another form, whose `code` is the HTTP
/// status.
pub fn code_exchange_error(message: &str) -> String {
    #[derive(Serialize)]
    struct CodeExchangeError<'a> {
        error_type: &'static str,
        code: u16,
        error_message: &'a str,
    }
    json(&CodeExchangeError { error_type: "OAuthException", code: 400, error_message: message })
}

/// The answer of both endpoints that hand out long-lived tokens.
#[derive(Debug, Serialize)]
pub struct LongToken<'a> {
    /// The token.
    pub access_token: &'a str,
    /// `bearer`
    pub token_type: &'static str,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! recorded {
        ($name:literal) => {
            include_str!(concat!("../../provider/instagram/testdata/", $name, ".json"))
        };
    }

    #[test]
    fn slashes_and_everything_beyond_ascii_are_escaped() {
        assert_eq!(json(&"https://a/ü我🦀\"\n"), r#""https:\/\/a\/\u00fc\u6211\ud83e\udd80\"\n""#);
    }

    #[test]
    fn errors_equal_the_recorded_ones() {
        let trace = "AkRxGc2rnvJzYmc8TXYBmYe";
        let changed = "The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.";
        for (error, recorded) in [
            (GraphError::oauth(190, None, changed), recorded!("password_changed")),
            (GraphError::oauth(190, None, "Session key is malformed."), recorded!("malformed_key")),
            (
                GraphError::api(10, "Application does not have permission for this action"),
                recorded!("no_permission"),
            ),
            (GraphError::api(100, "Unsupported request - method type: get"), recorded!("method_type_get")),
        ] {
            assert_eq!(GraphError { fbtrace_id: trace.to_owned(), ..error }.to_body(), recorded);
        }
        assert_eq!(
            code_exchange_error("Matching code was not found or was already used"),
            recorded!("code_spent")
        );
        assert_eq!(code_exchange_error("Invalid platform app"), recorded!("platform_app"));
    }

    #[test]
    fn long_tokens_equal_the_recorded_one() {
        let token = LongToken { access_token: "IGAAlong", token_type: "bearer", expires_in: Some(5_183_944) };
        assert_eq!(json(&token), recorded!("long_token"));
    }
}
