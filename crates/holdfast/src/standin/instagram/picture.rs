//! Profile pictures, served by the stand-in itself: a page that shows one asks nobody else.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use url::Url;

use super::Shared;
use super::people::Person;
use crate::clock::after;

/// About what has been seen.
const LIFETIME: Duration = Duration::from_hours(4 * 24);

/// A signed address below `root`; `oe` is when it ends, in Unix seconds, hexadecimal.
pub(super) fn address(root: &Url, person: &Person, now: Timestamp) -> String {
    let ends = after(now, LIFETIME).as_second();
    let mut url = root.clone();
    url.set_path(&format!("/pictures/{}/{}.svg", person.id, person.username));
    url.set_query(Some(&format!("oh=00_Afx&oe={ends:X}")));
    url.into()
}

/// The initials on a ground of the person's own colour. The handle in the address is not looked at.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((id, _)): Path<(String, String)>,
) -> Response {
    let Some(person) = shared.world().person(&id).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let initials: String = person.name.split(' ').filter_map(|word| word.chars().next()).take(2).collect();
    let hue = person.id.bytes().map(u32::from).sum::<u32>() % 360;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 96\"><rect width=\"96\" height=\"96\" \
         fill=\"hsl({hue} 45% 35%)\"/><text x=\"48\" y=\"60\" fill=\"#fff\" font-family=\"sans-serif\" \
         font-size=\"36\" text-anchor=\"middle\">{initials}</text></svg>"
    );
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, svg).into_response()
}
