//! The codes as the pages about them show them: in groups.

use super::code::ProblemCode;
use super::row::Source;

/// Every code, in groups with a title.
pub fn groups() -> Vec<(&'static str, Vec<ProblemCode>)> {
    let all: Vec<_> = ProblemCode::all().collect();
    let groups = all.chunk_by(|one, next| title(one.source()) == title(next.source()));
    groups.map(|codes| (title(codes[0].source()), codes.to_vec())).collect()
}

fn title(source: Source) -> &'static str {
    match source {
        Source::Session => "Session token",
        Source::ServiceKey => "Service key",
        Source::Request => "Request",
        Source::Instagram => "Instagram",
        Source::Clerk | Source::Database | Source::Server => "Clerk, database, server",
    }
}
