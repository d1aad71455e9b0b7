//! Rows for connecting an account, and for calls in its name.

use http::StatusCode;

use super::super::row::{Entry, Remedy};

pub(super) const RETURN_TO_NOT_ALLOWED: Entry = Entry {
    code: "return-to-not-allowed",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    action: Remedy::FixRequest,
    title: "Return address not allowed",
    meaning: "This server does not send browsers to the address in return_to.",
    causes: &[
        "HOLDFAST_RETURN_URLS (by default: the allowed origins) does not cover the address.",
        "The address has a user name, white space or a backslash, or its scheme is not http or https.",
    ],
    remedy: "Use an address of the app, or add it to HOLDFAST_RETURN_URLS.",
};

pub(super) const RETURN_TO_MISSING: Entry = Entry {
    code: "return-to-missing",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    action: Remedy::FixRequest,
    title: "Return address missing",
    meaning: "The request has no return_to, and this server has no default for it.",
    causes: &[
        "HOLDFAST_RETURN_URLS (by default: the allowed origins) is empty or holds patterns with `*` only.",
    ],
    remedy: "Send return_to with the request.",
};

pub(super) const GRAPH_CALL_NOT_ALLOWED: Entry = Entry {
    code: "graph-call-not-allowed",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    action: Remedy::FixRequest,
    title: "Graph call not allowed",
    meaning: "Holdfast does not pass this Graph call on; nothing was sent to Instagram.",
    causes: &[
        "The path has an empty segment, a `.` or `..` segment, or a scheme.",
        "The path is that of a token endpoint.",
        "The path begins with a version; INSTAGRAM_GRAPH_VERSION sets the version of all calls.",
        "The query or the body carries a credential (access_token, client_secret, appsecret_proof); Holdfast adds the grant \
         itself.",
        "The query or the body contains further calls (batch).",
        "The body is not a form, a multipart form or JSON, or cannot be read as what its Content-Type says.",
    ],
    remedy: "Send the path without version and credential, and the body as a form, a multipart form or JSON.",
};

pub(super) const GRAPH_ANSWER_TOO_LARGE: Entry = Entry {
    code: "graph-answer-too-large",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    action: Remedy::FixRequest,
    title: "Graph answer too large",
    meaning: "Instagram's answer is larger than 2 MiB and is not passed on. A call that changes something has taken effect.",
    causes: &["The call asks for many fields, or for large pages."],
    remedy: "Ask for fewer fields or smaller pages (limit).",
};

pub(super) const ATTEMPT_NOT_YOURS: Entry = Entry {
    code: "attempt-not-yours",
    status: StatusCode::FORBIDDEN,
    action: Remedy::Connect,
    title: "Another user's attempt",
    meaning: "Another user started this connect attempt.",
    causes: &[
        "Another person signed in to this browser before it came back from Instagram.",
        "The person followed a connect link that was made for somebody else.",
    ],
    remedy: "Nothing was linked. Start again with POST /user/instagram/connect as the person who is signed in now.",
};

pub(super) const COMPLETION_INVALID: Entry = Entry {
    code: "completion-invalid",
    status: StatusCode::FORBIDDEN,
    action: Remedy::Connect,
    title: "Completion not accepted",
    meaning: "The completion is not the one from Instagram's redirect.",
    causes: &["The app cut off or changed the value.", "The value belongs to another attempt."],
    remedy: "Send attempt and completion exactly as they stand in the return address, or start again.",
};

pub(super) const ATTEMPT_NOT_FOUND: Entry = Entry {
    code: "attempt-not-found",
    status: StatusCode::NOT_FOUND,
    action: Remedy::Connect,
    title: "No such attempt",
    meaning: "There is no connect attempt with this id.",
    causes: &["The id was cut off or changed.", "The attempt ended more than a day ago and was deleted."],
    remedy: "Start again with POST /user/instagram/connect.",
};

pub(super) const ACCOUNT_BELONGS_TO_ANOTHER_USER: Entry = Entry {
    code: "account-belongs-to-another-user",
    status: StatusCode::CONFLICT,
    action: Remedy::Connect,
    title: "Account belongs to another user",
    meaning: "This Instagram account is already linked to another user of the app.",
    causes: &[
        "The person has two accounts in the app.",
        "Instagram's page was logged in to somebody else's account.",
    ],
    remedy: "To use another Instagram account, start again with \"force_reauth\": true: Instagram then asks who you are. To \
             move this account here, the other user must disconnect it first.",
};

pub(super) const DIFFERENT_ACCOUNT: Entry = Entry {
    code: "different-account",
    status: StatusCode::CONFLICT,
    action: Remedy::Reconnect,
    title: "Another account",
    meaning: "Instagram returned a different account than the linked one.",
    causes: &["Instagram's page was logged in to another account than before."],
    remedy: "The linked account is unchanged. Start again with \"force_reauth\": true: Instagram then asks who you are. To \
             link the other account instead, start again with \"expect\": \"any_account\".",
};

pub(super) const ATTEMPT_NOT_RETURNED: Entry = Entry {
    code: "attempt-not-returned",
    status: StatusCode::CONFLICT,
    action: Remedy::FixRequest,
    title: "Attempt not returned yet",
    meaning: "The browser has not come back from Instagram yet in this attempt.",
    causes: &["The app called complete before Instagram's redirect."],
    remedy: "Send the browser to authorize_url first, and call complete when it returns to return_to.",
};

pub(super) const ATTEMPT_IN_PROGRESS: Entry = Entry {
    code: "attempt-in-progress",
    status: StatusCode::CONFLICT,
    action: Remedy::Retry,
    title: "Attempt in progress",
    meaning: "Another request is completing this attempt, or it waits until Instagram may be asked again.",
    causes: &[
        "The app called complete twice, for example from two tabs or from an effect that ran twice.",
        "An earlier request was told that Instagram cannot go on yet, and its Retry-After is not over.",
    ],
    remedy: "Send the request again after Retry-After: the answer will be the attempt's outcome.",
};

pub(super) const CONCURRENT_CHANGE: Entry = Entry {
    code: "concurrent-change",
    status: StatusCode::CONFLICT,
    action: Remedy::Retry,
    title: "Changed meanwhile",
    meaning: "The connection changed while this request was running; the request changed nothing.",
    causes: &["Another request, or a call from Instagram, changed the connection at the same time."],
    remedy: "Send the request again.",
};

pub(super) const ATTEMPT_EXPIRED: Entry = Entry {
    code: "attempt-expired",
    status: StatusCode::GONE,
    action: Remedy::Connect,
    title: "Attempt expired",
    meaning: "This connect attempt is over: it ran out of time, or the user was disconnected.",
    causes: &[
        "The person took more than ten minutes at Instagram and back, or Instagram did not answer for too long.",
        "Somebody disconnected the user while the attempt was open.",
    ],
    remedy: "Start again with POST /user/instagram/connect.",
};

pub(super) const TOO_MANY_ATTEMPTS: Entry = Entry {
    code: "too-many-attempts",
    status: StatusCode::TOO_MANY_REQUESTS,
    action: Remedy::Retry,
    title: "Too many connect attempts",
    meaning: "This user has reached the limit of connect attempts: five open ones, or twenty started within an hour.",
    causes: &["The app starts an attempt on every rendering instead of on a click."],
    remedy: "Complete the open attempts, or wait: each ends by itself after ten minutes. Retry-After says when the next one \
             may start.",
};
