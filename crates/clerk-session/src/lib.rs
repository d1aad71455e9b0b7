//! Verdict on a Clerk session token.
