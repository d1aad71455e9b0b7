//! What a 401 is made of: nothing becomes one by a conversion, as what a layer below says would.
//!
//! ```compile_fail
//! use holdfast::http::problem::{Problem, ServiceKeyCode};
//! let problem: Problem = ServiceKeyCode::Invalid.into();
//! ```
//!
//! ```compile_fail
//! use holdfast::http::problem::Problem;
//! let problem: Problem = clerk_session::RefusalCode::TokenInvalid.into();
//! ```
//!
//! ```
//! use holdfast::http::problem::{Problem, RequestCode};
//! let problem: Problem = RequestCode::NotFound.into();
//! ```

use clerk_session::RefusalCode;

use crate::http::problem::ServiceKeyCode;

/// The code that the caller's own credential was refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<C>(C);

impl<C: Copy> Refused<C> {
    /// Only for the module above, where the verdict falls.
    pub(super) fn with(code: C) -> Self {
        Self(code)
    }

    /// The code.
    pub fn code(self) -> C {
        self.0
    }
}

impl Refused<RefusalCode> {
    /// Every code, for the reference.
    pub fn all() -> impl Iterator<Item = Self> {
        RefusalCode::ALL.iter().copied().map(Self)
    }
}

impl Refused<ServiceKeyCode> {
    /// Every code, for the reference.
    pub fn all() -> impl Iterator<Item = Self> {
        ServiceKeyCode::ALL.iter().copied().map(Self)
    }
}
