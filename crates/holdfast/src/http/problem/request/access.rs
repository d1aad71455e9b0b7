//! Rows for who may not, and for who asks too much.

use http::StatusCode;

use super::super::row::{Entry, Remedy};

pub(super) const SIGNATURE_INVALID: Entry = Entry {
    code: "signature-invalid",
    status: StatusCode::BAD_REQUEST,
    action: Remedy::FixRequest,
    title: "Signature not accepted",
    meaning: "The call's signature does not match the secret that this server shares with the sender.",
    causes: &[
        "The signing secret belongs to another endpoint or another app.",
        "A proxy changed the body on the way.",
        "The call is older than five minutes, or this server's clock is wrong.",
    ],
    remedy: "Copy the signing secret again (Clerk: the endpoint's whsec_ value; Meta: the app secret) and let the sender send \
             the call again.",
};

pub(super) const SESSION_PENDING: Entry = Entry {
    code: "session-pending",
    status: StatusCode::FORBIDDEN,
    action: Remedy::SignIn,
    title: "Session not active",
    meaning: "The sign-in is not finished: the session is still pending.",
    causes: &[
        "A task of the sign-in is open, for example choosing an organization or setting up a second factor.",
        "Where `detail` says so: Clerk gives the session a status (`sts`) that this version does not know.",
    ],
    remedy: "Let the person finish the task that Clerk shows, then use a new session token. If Clerk shows none, let them \
             sign in again.",
};

pub(super) const IMPERSONATION_NOT_ALLOWED: Entry = Entry {
    code: "impersonation-not-allowed",
    status: StatusCode::FORBIDDEN,
    action: Remedy::ContactSupport,
    title: "Not while impersonating",
    meaning: "Impersonated sessions may only read; they may not connect, complete, check or disconnect.",
    causes: &["The session token has an `act` claim: somebody else is signed in as this user."],
    remedy: "Let the person do it in their own session.",
};

pub(super) const NOT_A_MEMBER: Entry = Entry {
    code: "not-a-member",
    status: StatusCode::FORBIDDEN,
    action: Remedy::ContactSupport,
    title: "Not in that organization",
    meaning: "The session has no active organization, or one that this endpoint does not accept.",
    causes: &[
        "The person has chosen no organization, or another one.",
        "The person is not a member of the organization.",
    ],
    remedy: "Let the person choose the organization (`setActive`), then send the request again with a fresh session token.",
};

pub(super) const ROLE_MISSING: Entry = Entry {
    code: "role-missing",
    status: StatusCode::FORBIDDEN,
    action: Remedy::ContactSupport,
    title: "Another role is needed",
    meaning: "The person's role in the active organization is not one that this endpoint accepts.",
    causes: &["The endpoint requires a role that the person does not have."],
    remedy: "Let an administrator of the organization give the person the role; the next session token carries it.",
};

pub(super) const PERMISSION_MISSING: Entry = Entry {
    code: "permission-missing",
    status: StatusCode::FORBIDDEN,
    action: Remedy::ContactSupport,
    title: "A permission is missing",
    meaning: "The person does not have the permission that this endpoint requires in the active organization.",
    causes: &[
        "The person's role does not include the permission.",
        "The permission is one of Clerk's own (org:sys_…), which session tokens do not carry.",
    ],
    remedy: "Let an administrator add the permission to the role; the next session token carries it.",
};

pub(super) const USER_NOT_FOUND: Entry = Entry {
    code: "user-not-found",
    status: StatusCode::NOT_FOUND,
    action: Remedy::FixRequest,
    title: "No such user",
    meaning: "This is not a Clerk user id.",
    causes: &[
        "An Instagram id, an e-mail address or the app's own id was sent instead of Clerk's.",
        "The id was cut off, or encoded twice.",
    ],
    remedy: "Pass the Clerk user id (user_…). To find the user of an Instagram account, use `GET /service/connections?account=`.",
};

pub(super) const USER_ERASED: Entry = Entry {
    code: "user-erased",
    status: StatusCode::GONE,
    action: Remedy::ContactSupport,
    title: "User erased",
    meaning: "This user was deleted at Clerk and erased here; only the session token has not expired yet.",
    causes: &["The user was deleted less than a minute ago."],
    remedy: "There is nothing to do: the token expires by itself.",
};

pub(super) const TOO_MANY_STREAMS: Entry = Entry {
    code: "too-many-streams",
    status: StatusCode::TOO_MANY_REQUESTS,
    action: Remedy::Retry,
    title: "Too many event streams",
    meaning: "This user has reached the limit of open event streams.",
    causes: &["The app opens a stream for each component, or does not close old streams."],
    remedy: "Use one stream per tab, and close it when it is no longer needed.",
};

pub(super) const TOO_MANY_REQUESTS: Entry = Entry {
    code: "too-many-requests",
    status: StatusCode::TOO_MANY_REQUESTS,
    action: Remedy::Retry,
    title: "Too many requests at a time",
    meaning: "This client address has reached its limit of concurrent requests.",
    causes: &[
        "A program sends requests without waiting for answers.",
        "A proxy is missing from HOLDFAST_TRUSTED_PROXIES, so everybody behind it counts as one client.",
    ],
    remedy: "Wait for Retry-After and send the request again. The operator can raise HOLDFAST_REQUESTS_PER_ADDRESS.",
};

pub(super) const STOP_REPEATING: Entry = Entry {
    code: "stop-repeating",
    status: StatusCode::TOO_MANY_REQUESTS,
    action: Remedy::RefreshSessionToken,
    title: "Refused token sent again",
    meaning: "This session token was refused before and would be refused again.",
    causes: &["A retry loop does not fetch a new token.", "A poller ignores errors."],
    remedy: "Get a fresh token once. If it is refused too, stop and show the code of the refusal.",
};
