//! Rows for who may not, and for who asks too much.

use http::StatusCode;

use super::super::row::{Entry, Remedy, Source};

pub(super) const SIGNATURE_INVALID: Entry = Entry {
    code: "signature-invalid",
    status: StatusCode::BAD_REQUEST,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Signature not accepted",
    meaning: "The call is not signed with the secret that this server shares with its sender.",
    causes: &[
        "The signing secret is of another endpoint or another app.",
        "A proxy changed the body on the way.",
        "The call is older than five minutes, or the clock of this server is wrong.",
    ],
    remedy: "Copy the signing secret again (Clerk: the endpoint's whsec_ value; Meta: the app secret) and let the sender deliver again.",
};

pub(super) const SESSION_PENDING: Entry = Entry {
    code: "session-pending",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::SignIn,
    title: "Session not active",
    meaning: "The sign-in is not finished: its session is still pending.",
    causes: &[
        "A task of the sign-in is not done, for example choosing an organization or setting up a second factor.",
    ],
    remedy: "Let the person finish the task that Clerk shows; then a new token will be accepted.",
};

pub(super) const IMPERSONATION_NOT_ALLOWED: Entry = Entry {
    code: "impersonation-not-allowed",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::ContactSupport,
    title: "Not while impersonating",
    meaning: "Impersonated sessions may look; they may not connect, complete, check or disconnect.",
    causes: &["The session token carries an act claim: somebody else is signed in as this user."],
    remedy: "Let the person do it in their own session.",
};

pub(super) const NOT_A_MEMBER: Entry = Entry {
    code: "not-a-member",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::ContactSupport,
    title: "Not in that organization",
    meaning: "The session is not active in an organization that this endpoint is for.",
    causes: &["The person has not chosen an organization, or another one.", "The person is no member of it."],
    remedy: "Let the person choose the organization (setActive), then ask again with a fresh token.",
};

pub(super) const ROLE_MISSING: Entry = Entry {
    code: "role-missing",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::ContactSupport,
    title: "Another role is needed",
    meaning: "The person's role in the active organization is not one that this endpoint is for.",
    causes: &["The endpoint asks for a role that the person does not have."],
    remedy: "Let an administrator of the organization give the person the role; the next token says so.",
};

pub(super) const PERMISSION_MISSING: Entry = Entry {
    code: "permission-missing",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::ContactSupport,
    title: "A permission is missing",
    meaning: "The person lacks the permission, in the active organization, that this endpoint asks for.",
    causes: &[
        "The person's role does not include the permission.",
        "The permission is one of Clerk's own (org:sys_…), which session tokens do not carry.",
    ],
    remedy: "Let an administrator give the role the permission; the next token says so.",
};

pub(super) const USER_NOT_FOUND: Entry = Entry {
    code: "user-not-found",
    status: StatusCode::NOT_FOUND,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "No such user",
    meaning: "That is not the id of a user.",
    causes: &[
        "An Instagram id, an e-mail address or the app's own id was sent instead of Clerk's.",
        "The id was cut, or encoded twice.",
    ],
    remedy: "Pass the Clerk user id (user_…). Whose an Instagram account is, /service/connections?account= says.",
};

pub(super) const USER_ERASED: Entry = Entry {
    code: "user-erased",
    status: StatusCode::GONE,
    source: Source::Request,
    action: Remedy::ContactSupport,
    title: "User erased",
    meaning: "This user was deleted at Clerk and erased here; the session token has outlived its user.",
    causes: &["The user was deleted less than a minute ago."],
    remedy: "Nothing: the token will expire by itself.",
};

pub(super) const TOO_MANY_STREAMS: Entry = Entry {
    code: "too-many-streams",
    status: StatusCode::TOO_MANY_REQUESTS,
    source: Source::Request,
    action: Remedy::Retry,
    title: "Too many event streams",
    meaning: "This user has as many open event streams as are allowed.",
    causes: &["The app opens a stream per component, or does not close the old ones."],
    remedy: "Share one stream per tab, and close it when it is no longer needed.",
};

pub(super) const TOO_MANY_REQUESTS: Entry = Entry {
    code: "too-many-requests",
    status: StatusCode::TOO_MANY_REQUESTS,
    source: Source::Request,
    action: Remedy::Retry,
    title: "Too many requests at a time",
    meaning: "As many requests are under way from this address as are allowed.",
    causes: &[
        "A program that sends requests without waiting for answers.",
        "A proxy that is not listed in HOLDFAST_TRUSTED_PROXIES, so that everybody behind it has one address.",
    ],
    remedy: "Wait for Retry-After and ask again. Whoever runs this installation: see HOLDFAST_REQUESTS_PER_ADDRESS.",
};

pub(super) const STOP_REPEATING: Entry = Entry {
    code: "stop-repeating",
    status: StatusCode::TOO_MANY_REQUESTS,
    source: Source::Request,
    action: Remedy::RefreshSessionToken,
    title: "The same refused token again and again",
    meaning: "This very token was refused before and will be refused again.",
    causes: &["A retry loop that does not fetch a new token.", "A poller that ignores errors."],
    remedy: "Get a fresh token once; if that one is refused too, stop and show the code of the refusal.",
};
