//! Keys over HTTPS, by reqwest.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::fetch::{FetchError, FetchJwks, Fetched};

/// A key set is fetched within this time or not at all.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Fetches a JWKS document. Follows no redirects: keys come from the address that was named.
#[derive(Debug, Clone)]
pub struct ReqwestFetcher {
    client: reqwest::Client,
    url: String,
    max_document: usize,
}

impl ReqwestFetcher {
    /// A fetcher with a client of its own: 3 s per fetch, no redirects.
    pub fn new(url: &str, max_document: usize) -> Result<Self, FetchError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one client of this crate; its errors never print the URL"
        )]
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(no_answer)?;
        Ok(Self { client, url: url.to_owned(), max_document })
    }

    async fn get(&self) -> Result<Fetched, FetchError> {
        let mut answer =
            self.client.get(&self.url).header("cache-control", "no-cache").send().await.map_err(no_answer)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status(status));
        }
        let age = answer.headers().get("age").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut document = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
            if document.len() + piece.len() > self.max_document {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&piece);
        }
        Ok(Fetched::with_age(document, age.as_deref()))
    }
}

impl FetchJwks for ReqwestFetcher {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
        Box::pin(self.get())
    }
}

fn no_answer(error: reqwest::Error) -> FetchError {
    use std::error::Error as _;
    let error = error.without_url();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    FetchError::NoAnswer(format!("{error}{cause}"))
}
