//! The codes as the pages about them show them: in groups.

use super::code::ProblemCode;
use super::row::Source;

/// Every code, in groups with a title.
pub fn groups() -> Vec<(&'static str, Vec<ProblemCode>)> {
    let mut groups: Vec<(_, Vec<ProblemCode>)> = Vec::new();
    for code in ProblemCode::all() {
        match groups.last_mut() {
            Some((known, codes)) if *known == title(code.source()) => codes.push(code),
            Some(_) | None => groups.push((title(code.source()), vec![code])),
        }
    }
    groups
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
