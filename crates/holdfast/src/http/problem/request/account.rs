//! Rows for connecting an account, and for calls in its name.

use http::StatusCode;

use super::super::row::{Entry, Remedy, Source};

pub(super) const RETURN_TO_NOT_ALLOWED: Entry = Entry {
    code: "return-to-not-allowed",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Return address not allowed",
    meaning: "return_to is not an address that this server sends browsers to.",
    causes: &[
        "The address is not covered by HOLDFAST_RETURN_URLS (by default: the allowed origins).",
        "It has a user name, white space, a backslash, or a scheme other than http and https.",
    ],
    remedy: "Use an address of the app, or add it to HOLDFAST_RETURN_URLS.",
};

pub(super) const RETURN_TO_MISSING: Entry = Entry {
    code: "return-to-missing",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Return address missing",
    meaning: "The request names no return_to, and this server has no single default for it.",
    causes: &["HOLDFAST_RETURN_URLS and HOLDFAST_ALLOWED_ORIGINS hold no plain address to fall back on."],
    remedy: "Send return_to with the request.",
};

pub(super) const GRAPH_CALL_NOT_ALLOWED: Entry = Entry {
    code: "graph-call-not-allowed",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Graph call not allowed",
    meaning: "This Graph call is not passed on. Nothing was sent.",
    causes: &[
        "The path has an empty or a dot segment, or a scheme.",
        "The path is one of those that hand out tokens.",
        "The path begins with a version, which INSTAGRAM_GRAPH_VERSION sets for all calls.",
        "The query or the body carries a credential (access_token, client_secret, appsecret_proof): the grant is injected here.",
        "The query or the body carries further calls (batch).",
        "The body is no form, multipart form or JSON, or cannot be read as one.",
    ],
    remedy: "Send the plain path below the version, without a credential, and a body of one of those types.",
};

pub(super) const GRAPH_ANSWER_TOO_LARGE: Entry = Entry {
    code: "graph-answer-too-large",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Graph answer too large",
    meaning: "Instagram's answer is larger than 2 MiB and is not passed on. A call that changes something was carried out.",
    causes: &["The call asks for many fields, or for large pages."],
    remedy: "Ask for fewer fields or smaller pages (limit).",
};

pub(super) const ATTEMPT_NOT_YOURS: Entry = Entry {
    code: "attempt-not-yours",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::Connect,
    title: "Attempt of another user",
    meaning: "This connect attempt was begun by another user.",
    causes: &[
        "Another person signed in to this browser between connecting and coming back.",
        "Somebody followed a link to connect that was made for somebody else.",
    ],
    remedy: "Begin anew with POST /user/instagram/connect as the person who is signed in now. Nothing was linked.",
};

pub(super) const COMPLETION_INVALID: Entry = Entry {
    code: "completion-invalid",
    status: StatusCode::FORBIDDEN,
    source: Source::Request,
    action: Remedy::Connect,
    title: "Completion not accepted",
    meaning: "The completion is not the one that the redirect from Instagram carried.",
    causes: &["The value was cut or changed on its way through the app.", "It belongs to another attempt."],
    remedy: "Pass on attempt and completion exactly as they stand in the address, or begin anew.",
};

pub(super) const ATTEMPT_NOT_FOUND: Entry = Entry {
    code: "attempt-not-found",
    status: StatusCode::NOT_FOUND,
    source: Source::Request,
    action: Remedy::Connect,
    title: "No such attempt",
    meaning: "There is no connect attempt of that id.",
    causes: &["The id was cut or changed.", "The attempt is long over and was cleared away."],
    remedy: "Begin anew with POST /user/instagram/connect.",
};

pub(super) const ACCOUNT_BELONGS_TO_ANOTHER_USER: Entry = Entry {
    code: "account-belongs-to-another-user",
    status: StatusCode::CONFLICT,
    source: Source::Request,
    action: Remedy::Connect,
    title: "Account belongs to another user",
    meaning: "This Instagram account is already linked to another user of the app.",
    causes: &[
        "The person has two accounts in the app.",
        "Instagram's page was logged in to somebody else's account.",
    ],
    remedy: "To use another Instagram account, begin again with \"force_reauth\": true, which has Instagram ask who you are. To \
             move this one here, disconnect it there first.",
};

pub(super) const DIFFERENT_ACCOUNT: Entry = Entry {
    code: "different-account",
    status: StatusCode::CONFLICT,
    source: Source::Request,
    action: Remedy::Reconnect,
    title: "Another account",
    meaning: "Another Instagram account came back than the one that is linked.",
    causes: &["Instagram's page was logged in to another account than before."],
    remedy: "Begin again with \"force_reauth\": true, which has Instagram ask who you are; or, to link the other account \
             instead, with \"expect\": \"any_account\". The linked account stays as it was.",
};

pub(super) const ATTEMPT_NOT_RETURNED: Entry = Entry {
    code: "attempt-not-returned",
    status: StatusCode::CONFLICT,
    source: Source::Request,
    action: Remedy::FixRequest,
    title: "Attempt not at that point",
    meaning: "The browser has not come back from Instagram for this attempt yet.",
    causes: &["complete was called before the redirect."],
    remedy: "Send the browser to authorize_url first; complete when it returns to return_to.",
};

pub(super) const ATTEMPT_IN_PROGRESS: Entry = Entry {
    code: "attempt-in-progress",
    status: StatusCode::CONFLICT,
    source: Source::Request,
    action: Remedy::Retry,
    title: "Attempt in progress",
    meaning: "This attempt is being completed, or waits until Instagram may be asked again.",
    causes: &[
        "The app completed twice, for example from two tabs or from an effect that ran twice.",
        "An earlier request was told that Instagram cannot go on yet, and its Retry-After is not over.",
    ],
    remedy: "Ask again after Retry-After: the answer will be the attempt's outcome.",
};

pub(super) const CONCURRENT_CHANGE: Entry = Entry {
    code: "concurrent-change",
    status: StatusCode::CONFLICT,
    source: Source::Request,
    action: Remedy::Retry,
    title: "Changed meanwhile",
    meaning: "The connection changed while this request was at work; nothing was done.",
    causes: &["Two requests, or a request and a call from Instagram, met."],
    remedy: "Ask again.",
};

pub(super) const ATTEMPT_EXPIRED: Entry = Entry {
    code: "attempt-expired",
    status: StatusCode::GONE,
    source: Source::Request,
    action: Remedy::Connect,
    title: "Attempt expired",
    meaning: "This connect attempt is over: it ran out of time, or was ended by disconnecting.",
    causes: &[
        "More than ten minutes went by between connecting and coming back from Instagram, or an hour until completing.",
        "Somebody disconnected the user while the attempt was open.",
    ],
    remedy: "Begin anew with POST /user/instagram/connect.",
};

pub(super) const TOO_MANY_ATTEMPTS: Entry = Entry {
    code: "too-many-attempts",
    status: StatusCode::TOO_MANY_REQUESTS,
    source: Source::Request,
    action: Remedy::Retry,
    title: "Too many connect attempts",
    meaning: "This user has as many connect attempts as are allowed: five open ones, and twenty begun within an hour.",
    causes: &["The app begins an attempt on every rendering instead of on a click."],
    remedy: "Finish or wait out the open ones: each ends by itself after ten minutes. Retry-After says when the next one may begin.",
};
