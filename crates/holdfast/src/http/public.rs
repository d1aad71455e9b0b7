//! The routes that need no credential. This list is changed only by hand, and each line says why it
//! is public.

use super::problem::codes;

codes! {
    /// A route that needs no credential.
    PublicRoute {
        /// Points a visitor to the documentation.
        Home,
        /// The process runs.
        Healthz,
        /// It can judge.
        Readyz,
        /// The API, for machines.
        OpenApi,
        /// The API, for people.
        Docs,
        /// Every code.
        ErrorIndex,
        /// One code.
        ErrorPage,
        /// Instagram's redirect.
        InstagramCallback,
        /// Clerk's webhooks.
        ClerkWebhook,
        /// Meta: the person removed the app.
        InstagramDeauthorize,
        /// Meta: the person wants their data deleted.
        InstagramDataDeletion,
        /// What became of a deletion.
        DataDeletionPage,
    }
}

/// The methods that public routes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicMethod {
    /// GET, and HEAD with it.
    Get,
    /// POST.
    Post,
}

impl PublicRoute {
    /// Its method.
    pub fn method(self) -> PublicMethod {
        match self {
            Self::Home
            | Self::Healthz
            | Self::Readyz
            | Self::OpenApi
            | Self::Docs
            | Self::ErrorIndex
            | Self::ErrorPage
            | Self::InstagramCallback
            | Self::DataDeletionPage => PublicMethod::Get,
            Self::ClerkWebhook | Self::InstagramDeauthorize | Self::InstagramDataDeletion => {
                PublicMethod::Post
            }
        }
    }

    /// Its address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
            Self::ErrorIndex => "/docs/errors",
            Self::ErrorPage => "/docs/errors/{code}",
            Self::InstagramCallback => "/instagram/callback",
            Self::ClerkWebhook => "/webhooks/clerk",
            Self::InstagramDeauthorize => "/webhooks/instagram/deauthorize",
            Self::InstagramDataDeletion => "/webhooks/instagram/data-deletion",
            Self::DataDeletionPage => "/data-deletion/{code}",
        }
    }

    /// Why it needs no credential.
    pub fn why(self) -> &'static str {
        match self {
            Self::Home | Self::OpenApi | Self::Docs | Self::ErrorIndex | Self::ErrorPage => {
                "Says nothing about anybody: the same for every reader."
            }
            Self::Healthz | Self::Readyz => "Asked by load balancers; says nothing about anybody.",
            Self::InstagramCallback => "A browser arrives here by redirect; `state` proves the attempt.",
            Self::ClerkWebhook => "Proven by its Svix signature.",
            Self::InstagramDeauthorize | Self::InstagramDataDeletion => {
                "Proven by the signature of its `signed_request`."
            }
            Self::DataDeletionPage => "The code in the address is the proof, as Meta requires.",
        }
    }
}
