//! Path segments and query parameters, whose mistakes are problems like any other.

use std::borrow::Cow;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::FromRequestParts;
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemCode, RequestCode};

const PROBLEMS: [ProblemCode; 1] = [ProblemCode::Request(RequestCode::MalformedParameter)];

/// The variable segments of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// The query.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What is wrong with a parameter.
pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(RequestCode::MalformedParameter).with_detail(detail)
}

/// The entries of a page.
pub(super) fn limit(given: Option<usize>, usual: usize, most: usize) -> Result<usize, Problem> {
    let limit = given.unwrap_or(usual);
    let fits = (1..=most).contains(&limit);
    fits.then_some(limit).ok_or_else(|| malformed(format!("limit must be from 1 to {most}.")))
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            // The rejection's own text quotes the address.
            Err(_) => Err(malformed("A part of the path is not valid on this route.")),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // It stands in no text of ours, and Postgres refuses the statement.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(malformed("A query parameter has a NUL character."));
        }
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(malformed(
                "A query parameter is unknown, appears twice, or has a value that this route does not accept.",
            )),
        }
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Path::<T>::operation_input(ctx, operation);
        Problem::describe(ctx, operation, &PROBLEMS);
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Query::<T>::operation_input(ctx, operation);
        Problem::describe(ctx, operation, &PROBLEMS);
    }
}
