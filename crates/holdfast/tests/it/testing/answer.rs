//! What a test says of an answer.

use holdfast::transport::Answer;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// Words for what a test expects. Where one does not hold, the test fails and shows the body.
pub trait AnswerExt {
    /// The body of an answer that is 200.
    fn good(&self) -> Value;

    /// Expects this status, and a problem of this code.
    fn is(&self, status: u16, code: &str);

    /// The status and the code, to compare where a case has a name.
    fn told(&self) -> (u16, &str);

    /// The body's `code`, or nothing.
    fn code(&self) -> &str;

    fn json(&self) -> Value;

    fn text(&self) -> String;

    fn location(&self) -> Url;
}

impl AnswerExt for Answer {
    #[track_caller]
    fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!(self.told(), (status, code), "{}", self.text());
    }

    fn told(&self) -> (u16, &str) {
        (self.status.as_u16(), self.code())
    }

    fn code(&self) -> &str {
        #[derive(Deserialize)]
        struct Problem<'a> {
            code: &'a str,
        }
        serde_json::from_slice::<Problem<'_>>(&self.body).map_or("", |problem| problem.code)
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    fn location(&self) -> Url {
        self.headers["location"].to_str().unwrap().parse().unwrap()
    }
}
