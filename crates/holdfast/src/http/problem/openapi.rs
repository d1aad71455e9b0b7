//! How problems stand in the OpenAPI document.

use std::collections::BTreeMap;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, ReferenceOr, Response, SchemaObject, StatusCode};
use aide::operation::OperationOutput;
use aide::transform::TransformOperation;

use super::{Body, MEDIA_TYPE, Problem, ProblemCode};
use crate::http::openapi_headers;

/// Adds no answers by itself: which problems an operation has is said by its extractors and by
/// [`Problems`].
impl OperationOutput for Problem {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(response(ctx, "An error, explained."))
    }
}

impl Problem {
    /// Adds the answers that `codes` lead to, one per status; where the operation has one of that
    /// status already, the codes that it lacks are added to it.
    pub fn describe(ctx: &mut GenContext, operation: &mut Operation, codes: &[ProblemCode]) {
        let responses = &mut operation.responses.get_or_insert_default().responses;
        for (status, codes) in by_status(codes) {
            let names = codes.iter().map(|code| format!("`{}`", code.entry().code));
            let response = match responses.get_mut(&StatusCode::Code(status)) {
                Some(ReferenceOr::Item(known)) => {
                    for name in names {
                        if known.description.contains(&name) {
                            continue;
                        }
                        // The route may have written a sentence of its own there, about its page.
                        let between = if known.description.ends_with('.') { " Or " } else { ", " };
                        known.description.push_str(between);
                        known.description.push_str(&name);
                    }
                    let media = || media_type(ctx);
                    known.content.entry(MEDIA_TYPE.to_owned()).or_insert_with(media);
                    known
                }
                Some(ReferenceOr::Reference { .. }) => continue,
                None => {
                    let made = response(ctx, &names.collect::<Vec<_>>().join(", "));
                    let made = responses.entry(StatusCode::Code(status)).or_insert(ReferenceOr::Item(made));
                    let ReferenceOr::Item(made) = made else { continue };
                    made
                }
            };
            if status == http::StatusCode::UNAUTHORIZED {
                openapi_headers::add(response, &[openapi_headers::WWW_AUTHENTICATE]);
            }
            if codes.into_iter().any(|code| Self::new(code).retry_after_seconds().is_some()) {
                openapi_headers::add(response, &[openapi_headers::RETRY_AFTER]);
            }
        }
    }
}

/// The documentation of a route, which names its problems.
pub trait Problems {
    /// Adds them, as [`Problem::describe`] does.
    #[must_use]
    fn problems(self, codes: impl IntoIterator<Item: Into<ProblemCode>>) -> Self;
}

impl Problems for TransformOperation<'_> {
    fn problems(mut self, codes: impl IntoIterator<Item: Into<ProblemCode>>) -> Self {
        let codes: Vec<_> = codes.into_iter().map(Into::into).collect();
        aide::generate::in_context(|ctx| Problem::describe(ctx, self.inner_mut(), &codes));
        self
    }
}

fn by_status(codes: &[ProblemCode]) -> BTreeMap<u16, Vec<ProblemCode>> {
    let mut by_status = BTreeMap::<u16, Vec<ProblemCode>>::new();
    for code in codes {
        by_status.entry(code.entry().status.as_u16()).or_default().push(*code);
    }
    by_status
}

fn response(ctx: &mut GenContext, description: &str) -> Response {
    Response {
        description: description.to_owned(),
        content: [(MEDIA_TYPE.to_owned(), media_type(ctx))].into_iter().collect(),
        ..Response::default()
    }
}

fn media_type(ctx: &mut GenContext) -> MediaType {
    MediaType {
        schema: Some(SchemaObject {
            json_schema: ctx.schema.subschema_for::<Body<'static>>(),
            external_docs: None,
            example: None,
        }),
        ..MediaType::default()
    }
}
