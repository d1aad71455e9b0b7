//! The routes that need no credential. This list is changed only by hand, and each line says why it
//! is public.

use crate::names::names;

names! {
    /// A route that needs no credential, by its address.
    pub enum PublicRoute {
        /// Points a visitor to the documentation: the same for every reader.
        Home = "/",
        /// The process runs. Load balancers ask; it says nothing about anybody.
        Healthz = "/healthz",
        /// It can judge. Load balancers ask; it says nothing about anybody.
        Readyz = "/readyz",
        /// The API, for machines: the same for every reader.
        OpenApi = "/openapi.json",
        /// The API, for people: the same for every reader.
        Docs = "/docs",
        /// Every code: the same for every reader.
        ErrorIndex = "/docs/errors",
        /// One code: the same for every reader.
        ErrorPage = "/docs/errors/{code}",
        /// Instagram's redirect. A browser arrives here; `state` proves the attempt.
        InstagramCallback = "/instagram/callback",
        /// Clerk's webhooks. Proven by their Svix signature.
        ClerkWebhook = "/webhooks/clerk",
        /// Meta: the person removed the app. Proven by the signature of its `signed_request`.
        InstagramDeauthorize = "/webhooks/instagram/deauthorize",
        /// Meta: the person wants their data deleted. Proven in the same way.
        InstagramDataDeletion = "/webhooks/instagram/data-deletion",
        /// What became of a deletion. The code in the address is the proof, as Meta requires.
        DataDeletionPage = "/data-deletion/{code}",
    }
}
