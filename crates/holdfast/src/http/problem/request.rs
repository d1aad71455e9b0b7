//! Codes for what is wrong with the request itself.

use http::StatusCode;

use super::row::{Entry, Remedy, Source, codes};

codes! {
    /// What is wrong with the request.
    RequestCode {
        /// The HTTP message breaks the protocol.
        MalformedRequest,
        /// The head of the HTTP message is larger than we read.
        HeaderTooLarge,
        /// The address in the HTTP message is longer than we read.
        AddressTooLong,
        /// The body is not JSON, or breaks off.
        MalformedBody,
        /// The body is JSON, and not what the route takes.
        BodyNotAcceptable,
        /// A query parameter or a path segment is not acceptable.
        MalformedParameter,
        /// More than one `Authorization` header.
        MultipleCredentials,
        /// The webhook's signature does not hold.
        SignatureInvalid,
        /// `return_to` is not on the allow-list.
        ReturnToNotAllowed,
        /// `return_to` is missing and there is no default.
        ReturnToMissing,
        /// The Graph path or parameter is not one that we pass on.
        GraphCallNotAllowed,
        /// Instagram's answer is larger than what is passed on.
        GraphAnswerTooLarge,
        /// The session is not active yet.
        SessionPending,
        /// The session is impersonated.
        ImpersonationNotAllowed,
        /// The session is active in no organization, or not in that one.
        NotAMember,
        /// The person has another role.
        RoleMissing,
        /// The person lacks the permission.
        PermissionMissing,
        /// Somebody else's attempt.
        AttemptNotYours,
        /// The completion is not the one that the redirect carried.
        CompletionInvalid,
        /// Nothing there.
        NotFound,
        /// No such attempt.
        AttemptNotFound,
        /// No such user.
        UserNotFound,
        /// The route has other methods.
        MethodNotAllowed,
        /// The account is linked to another user.
        AccountBelongsToAnotherUser,
        /// Another account came back than the linked one.
        DifferentAccount,
        /// The browser has not come back from Instagram yet.
        AttemptNotReturned,
        /// The attempt is being completed by another request.
        AttemptInProgress,
        /// The connection changed under the request.
        ConcurrentChange,
        /// The attempt's time is over.
        AttemptExpired,
        /// The user was erased.
        UserErased,
        /// The body is too large.
        BodyTooLarge,
        /// The body took too long to arrive.
        RequestTimeout,
        /// The body's type is not the one that the route takes.
        UnsupportedMediaType,
        /// Too many open attempts.
        TooManyAttempts,
        /// Too many event streams.
        TooManyStreams,
        /// Too many requests under way from one address.
        TooManyRequests,
        /// The same refused token again and again.
        StopRepeating,
    }
}

/// The row of a code.
pub(super) fn entry(code: RequestCode) -> Entry {
    let row = |status, action, code, title, meaning, causes, remedy| Entry {
        code,
        status,
        source: Source::Request,
        action,
        title,
        meaning,
        causes,
        remedy,
    };
    match code {
        RequestCode::MalformedRequest => row(
            StatusCode::BAD_REQUEST,
            Remedy::FixRequest,
            "malformed-request",
            "Malformed request",
            "The request breaks the rules of HTTP.",
            &[
                "An HTTP/1.1 request without exactly one Host header.",
                "A header with bytes that are not allowed there.",
                "Something else than HTTP/1, for example TLS: that ends at a proxy in front.",
            ],
            "Send the request through an ordinary HTTP client, and check what a proxy in between does to it.",
        ),
        RequestCode::HeaderTooLarge => row(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Remedy::FixRequest,
            "header-too-large",
            "Header too large",
            "The header of the request is larger than this server reads: 16 KiB, or 64 fields.",
            &[
                "Cookies that were meant for another service on the same domain.",
                "A session token with large custom claims.",
            ],
            "Send no cookies to this server, and keep custom claims of session tokens below 1.2 KB.",
        ),
        RequestCode::AddressTooLong => row(
            StatusCode::URI_TOO_LONG,
            Remedy::FixRequest,
            "address-too-long",
            "Address too long",
            "The address in the request is longer than this server reads: 16 KiB, the rest of the header included.",
            &["Something was put into the query that belongs into a body."],
            "See /docs for the parameters of the route.",
        ),
        RequestCode::MalformedBody => row(
            StatusCode::BAD_REQUEST,
            Remedy::FixRequest,
            "malformed-body",
            "Malformed body",
            "The body is not JSON, or not the form that this route takes.",
            &[
                "The JSON does not parse; the detail names line and column.",
                "It is not UTF-8.",
                "The connection broke before the body's end.",
            ],
            "Make the body with a JSON library, and compare it with the request schema of the route in /docs.",
        ),
        RequestCode::BodyNotAcceptable => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            Remedy::FixRequest,
            "body-not-acceptable",
            "Body not acceptable",
            "The body is JSON, but not what this route takes.",
            &[
                "A member is missing, or there twice.",
                "A member has another type, or a value that the API does not list.",
                "The JSON is not an object.",
            ],
            "Compare the body with the request schema of the route in /docs; the detail names the member and what it takes.",
        ),
        RequestCode::MalformedParameter => row(
            StatusCode::BAD_REQUEST,
            Remedy::FixRequest,
            "malformed-parameter",
            "Malformed parameter",
            "A query parameter or a part of the path is not acceptable.",
            &[
                "A page cursor that this server did not issue.",
                "A number outside its range.",
                "Text that is not UTF-8.",
            ],
            "Pass cursors back exactly as they were received, and see /docs for the ranges.",
        ),
        RequestCode::MultipleCredentials => row(
            StatusCode::BAD_REQUEST,
            Remedy::FixRequest,
            "multiple-credentials",
            "More than one credential",
            "The request carries more than one Authorization header.",
            &[
                "A proxy adds an Authorization header of its own.",
                "The client appends the header instead of setting it.",
            ],
            "Send exactly one Authorization header. We do not choose between two.",
        ),
        RequestCode::SignatureInvalid => row(
            StatusCode::BAD_REQUEST,
            Remedy::FixRequest,
            "signature-invalid",
            "Signature not accepted",
            "The call is not signed with the secret that this server shares with its sender.",
            &[
                "The signing secret is of another endpoint or another app.",
                "A proxy changed the body on the way.",
                "The call is older than five minutes, or the clock of this server is wrong.",
            ],
            "Copy the signing secret again (Clerk: the endpoint's whsec_ value; Meta: the app secret) and let the sender deliver again.",
        ),
        RequestCode::ReturnToNotAllowed => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            Remedy::FixRequest,
            "return-to-not-allowed",
            "Return address not allowed",
            "return_to is not an address that this server sends browsers to.",
            &[
                "The address is not covered by HOLDFAST_RETURN_URLS (by default: the allowed origins).",
                "It has a user name, white space, a backslash, or a scheme other than http and https.",
            ],
            "Use an address of the app, or add it to HOLDFAST_RETURN_URLS.",
        ),
        RequestCode::ReturnToMissing => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            Remedy::FixRequest,
            "return-to-missing",
            "Return address missing",
            "The request names no return_to, and this server has no single default for it.",
            &["HOLDFAST_RETURN_URLS and HOLDFAST_ALLOWED_ORIGINS hold no plain address to fall back on."],
            "Send return_to with the request.",
        ),
        RequestCode::GraphCallNotAllowed => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            Remedy::FixRequest,
            "graph-call-not-allowed",
            "Graph call not allowed",
            "This Graph call is not passed on. Nothing was sent.",
            &[
                "The path has an empty or a dot segment, or a scheme.",
                "The path is one of those that hand out tokens.",
                "The path begins with a version, which INSTAGRAM_GRAPH_VERSION sets for all calls.",
                "The query or the body carries a credential (access_token, client_secret, appsecret_proof): the grant is injected here.",
                "The body is no form, multipart form or JSON, or cannot be read as one.",
            ],
            "Send the plain path below the version, without a credential, and a body of one of those types.",
        ),
        RequestCode::GraphAnswerTooLarge => row(
            StatusCode::UNPROCESSABLE_ENTITY,
            Remedy::FixRequest,
            "graph-answer-too-large",
            "Graph answer too large",
            "Instagram's answer is larger than 2 MiB and is not passed on. A call that changes something was carried out.",
            &["The call asks for many fields, or for large pages."],
            "Ask for fewer fields or smaller pages (limit).",
        ),
        RequestCode::SessionPending => row(
            StatusCode::FORBIDDEN,
            Remedy::SignIn,
            "session-pending",
            "Session not active",
            "The sign-in is not finished: its session is still pending.",
            &[
                "A task of the sign-in is not done, for example choosing an organization or setting up a second factor.",
            ],
            "Let the person finish the task that Clerk shows; then a new token will be accepted.",
        ),
        RequestCode::ImpersonationNotAllowed => row(
            StatusCode::FORBIDDEN,
            Remedy::ContactSupport,
            "impersonation-not-allowed",
            "Not while impersonating",
            "Impersonated sessions may look; they may not connect, complete, check or disconnect.",
            &["The session token carries an act claim: somebody else is signed in as this user."],
            "Let the person do it in their own session.",
        ),
        RequestCode::NotAMember => row(
            StatusCode::FORBIDDEN,
            Remedy::ContactSupport,
            "not-a-member",
            "Not in that organization",
            "The session is not active in an organization that this endpoint is for.",
            &["The person has not chosen an organization, or another one.", "The person is no member of it."],
            "Let the person choose the organization (setActive), then ask again with a fresh token.",
        ),
        RequestCode::RoleMissing => row(
            StatusCode::FORBIDDEN,
            Remedy::ContactSupport,
            "role-missing",
            "Another role is needed",
            "The person's role in the active organization is not one that this endpoint is for.",
            &["The endpoint asks for a role that the person does not have."],
            "Let an administrator of the organization give the person the role; the next token says so.",
        ),
        RequestCode::PermissionMissing => row(
            StatusCode::FORBIDDEN,
            Remedy::ContactSupport,
            "permission-missing",
            "A permission is missing",
            "The person lacks the permission, in the active organization, that this endpoint asks for.",
            &[
                "The person's role does not include the permission.",
                "The permission is one of Clerk's own (org:sys_…), which session tokens do not carry.",
            ],
            "Let an administrator give the role the permission; the next token says so.",
        ),
        RequestCode::AttemptNotYours => row(
            StatusCode::FORBIDDEN,
            Remedy::Connect,
            "attempt-not-yours",
            "Attempt of another user",
            "This connect attempt was begun by another user.",
            &[
                "Another person signed in to this browser between connecting and coming back.",
                "Somebody followed a link to connect that was made for somebody else.",
            ],
            "Begin anew with POST /user/instagram/connect as the person who is signed in now. Nothing was linked.",
        ),
        RequestCode::CompletionInvalid => row(
            StatusCode::FORBIDDEN,
            Remedy::Connect,
            "completion-invalid",
            "Completion not accepted",
            "The completion is not the one that the redirect from Instagram carried.",
            &["The value was cut or changed on its way through the app.", "It belongs to another attempt."],
            "Pass on attempt and completion exactly as they stand in the address, or begin anew.",
        ),
        RequestCode::NotFound => row(
            StatusCode::NOT_FOUND,
            Remedy::FixRequest,
            "not-found",
            "Not found",
            "There is nothing at this address.",
            &["A typing error in the path.", "A trailing slash: paths here have none."],
            "See /docs for the addresses.",
        ),
        RequestCode::AttemptNotFound => row(
            StatusCode::NOT_FOUND,
            Remedy::Connect,
            "attempt-not-found",
            "No such attempt",
            "There is no connect attempt of that id.",
            &["The id was cut or changed.", "The attempt is long over and was cleared away."],
            "Begin anew with POST /user/instagram/connect.",
        ),
        RequestCode::UserNotFound => row(
            StatusCode::NOT_FOUND,
            Remedy::FixRequest,
            "user-not-found",
            "No such user",
            "There is no user of that id here.",
            &["The user never called this server.", "The id is of another Clerk instance."],
            "Pass the Clerk user id (user_…) of somebody who has signed in to the app.",
        ),
        RequestCode::MethodNotAllowed => row(
            StatusCode::METHOD_NOT_ALLOWED,
            Remedy::FixRequest,
            "method-not-allowed",
            "Method not allowed",
            "This address exists, but not with this method.",
            &["GET where POST is needed, or the reverse."],
            "Use one of the methods that the Allow header lists.",
        ),
        RequestCode::AccountBelongsToAnotherUser => row(
            StatusCode::CONFLICT,
            Remedy::Connect,
            "account-belongs-to-another-user",
            "Account belongs to another user",
            "This Instagram account is already linked to another user of the app.",
            &[
                "The person has two accounts in the app.",
                "Instagram's page was logged in to somebody else's account.",
            ],
            "To use another Instagram account, begin again with \"force_reauth\": true, which has Instagram ask who you are. To \
             move this one here, disconnect it there first.",
        ),
        RequestCode::DifferentAccount => row(
            StatusCode::CONFLICT,
            Remedy::Reconnect,
            "different-account",
            "Another account",
            "Another Instagram account came back than the one that is linked.",
            &["Instagram's page was logged in to another account than before."],
            "Begin again with \"force_reauth\": true, which has Instagram ask who you are; or, to link the other account \
             instead, with \"expect\": \"any_account\". The linked account stays as it was.",
        ),
        RequestCode::AttemptNotReturned => row(
            StatusCode::CONFLICT,
            Remedy::FixRequest,
            "attempt-not-returned",
            "Attempt not at that point",
            "The browser has not come back from Instagram for this attempt yet.",
            &["complete was called before the redirect."],
            "Send the browser to authorize_url first; complete when it returns to return_to.",
        ),
        RequestCode::AttemptInProgress => row(
            StatusCode::CONFLICT,
            Remedy::Retry,
            "attempt-in-progress",
            "Attempt in progress",
            "Another request is completing this attempt right now.",
            &["The app completed twice, for example from two tabs or from an effect that ran twice."],
            "Ask again after Retry-After: the answer will be the outcome of the first request.",
        ),
        RequestCode::ConcurrentChange => row(
            StatusCode::CONFLICT,
            Remedy::Retry,
            "concurrent-change",
            "Changed meanwhile",
            "The connection changed while this request was at work; nothing was done.",
            &["Two requests, or a request and a call from Instagram, met."],
            "Ask again.",
        ),
        RequestCode::AttemptExpired => row(
            StatusCode::GONE,
            Remedy::Connect,
            "attempt-expired",
            "Attempt expired",
            "This connect attempt ran out of time.",
            &["More than ten minutes went by between connecting and completing."],
            "Begin anew with POST /user/instagram/connect.",
        ),
        RequestCode::UserErased => row(
            StatusCode::GONE,
            Remedy::ContactSupport,
            "user-erased",
            "User erased",
            "This user was deleted at Clerk and erased here; the session token has outlived its user.",
            &["The user was deleted less than a minute ago."],
            "Nothing: the token will expire by itself.",
        ),
        RequestCode::BodyTooLarge => row(
            StatusCode::PAYLOAD_TOO_LARGE,
            Remedy::FixRequest,
            "body-too-large",
            "Body too large",
            "The body is larger than this route takes: 64 KiB, webhooks 256 KiB.",
            &["Something else than the described JSON was sent."],
            "Send a smaller body.",
        ),
        RequestCode::RequestTimeout => row(
            StatusCode::REQUEST_TIMEOUT,
            Remedy::Retry,
            "request-timeout",
            "Request too slow",
            "The body did not arrive in time.",
            &["A very slow or broken network between the client and this server."],
            "Send the request again.",
        ),
        RequestCode::UnsupportedMediaType => row(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Remedy::FixRequest,
            "unsupported-media-type",
            "Unsupported media type",
            "The body's Content-Type is not the one that this route takes.",
            &["Content-Type is missing, or is text/plain or a form where JSON is needed."],
            "Send Content-Type: application/json (Meta's callbacks: application/x-www-form-urlencoded).",
        ),
        RequestCode::TooManyAttempts => row(
            StatusCode::TOO_MANY_REQUESTS,
            Remedy::Retry,
            "too-many-attempts",
            "Too many open attempts",
            "This user has as many open connect attempts as are allowed.",
            &["The app begins an attempt on every rendering instead of on a click."],
            "Finish or wait out the open ones: each ends by itself after ten minutes.",
        ),
        RequestCode::TooManyStreams => row(
            StatusCode::TOO_MANY_REQUESTS,
            Remedy::Retry,
            "too-many-streams",
            "Too many event streams",
            "This user has as many open event streams as are allowed.",
            &["The app opens a stream per component, or does not close the old ones."],
            "Share one stream per tab, and close it when it is no longer needed.",
        ),
        RequestCode::TooManyRequests => row(
            StatusCode::TOO_MANY_REQUESTS,
            Remedy::Retry,
            "too-many-requests",
            "Too many requests at a time",
            "As many requests are under way from this address as are allowed.",
            &[
                "A program that sends requests without waiting for answers.",
                "A proxy that is not listed in HOLDFAST_TRUSTED_PROXIES, so that everybody behind it has one address.",
            ],
            "Wait for Retry-After and ask again. Whoever runs this installation: see HOLDFAST_REQUESTS_PER_ADDRESS.",
        ),
        RequestCode::StopRepeating => row(
            StatusCode::TOO_MANY_REQUESTS,
            Remedy::RefreshSessionToken,
            "stop-repeating",
            "The same refused token again and again",
            "This very token was refused before and will be refused again.",
            &["A retry loop that does not fetch a new token.", "A poller that ignores errors."],
            "Get a fresh token once; if that one is refused too, stop and show the code of the refusal.",
        ),
    }
}
