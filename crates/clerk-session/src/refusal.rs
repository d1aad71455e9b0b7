//! A refusal: its code for programs, one sentence for the caller, the reasoning and the remedy for
//! the operator.

use crate::code::RefusalCode;
use crate::remedy::Remedy;
use crate::step::Step;

/// A session token is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// Where it failed.
    pub step: Step,
    public: String,
    reasoning: Option<String>,
    remedy: Remedy,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, step: Step, public: impl Into<String>, remedy: Remedy) -> Self {
        Self { code, step, public: public.into(), reasoning: None, remedy }
    }

    /// Adds what only the operator may see.
    pub(crate) fn because(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = Some(reasoning.into());
        self
    }

    /// No credentials were sent.
    pub fn missing() -> Self {
        Self::new(
            RefusalCode::SessionTokenMissing,
            Step::Form,
            "The request carries no session token.",
            Remedy::WriteBearer,
        )
    }

    /// One sentence that may be shown to the sender of the token.
    pub fn public_detail(&self) -> &str {
        &self.public
    }

    /// The full reasoning, for the operator. Never holds the token.
    pub fn operator_detail(&self) -> &str {
        self.reasoning.as_deref().unwrap_or(&self.public)
    }

    /// The one thing that would mend it, for the operator: it may name keys and parties.
    pub fn remedy(&self) -> &Remedy {
        &self.remedy
    }
}
