//! Codes for what is wrong with the request itself.

use super::row::codes;

codes! {
    /// What is wrong with the request.
    RequestCode {
        MalformedRequest = "malformed-request", BAD_REQUEST, FixRequest, "Malformed request" {
            meaning: "The request breaks the rules of HTTP.",
            causes: [
                "An HTTP/1.1 request has no Host header, or more than one.",
                "A header contains bytes that HTTP does not allow there.",
                "The client does not speak HTTP/1, but for example TLS. A proxy in front must end TLS.",
            ],
            remedy: "Use an ordinary HTTP client, and check whether a proxy in between changes the request.",
        }
        HeaderTooLarge = "header-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, FixRequest, "Header too large" {
            meaning: "The request's header is larger than 16 KiB or has more than 64 fields.",
            causes: [
                "The browser also sends the cookies of another service on the same domain.",
                "The session token has large custom claims.",
            ],
            remedy: "Send no cookies to this server, and keep custom claims of session tokens below 1.2 KB.",
        }
        AddressTooLong = "address-too-long", URI_TOO_LONG, FixRequest, "Address too long" {
            meaning: "The address in the request is too long: address and header together may take 16 KiB.",
            causes: ["The query holds data that belongs in the body."],
            remedy: "See /docs for the parameters of the route.",
        }
        MalformedBody = "malformed-body", BAD_REQUEST, FixRequest, "Malformed body" {
            meaning: "The body is not valid JSON, or not a valid form where the route takes a form.",
            causes: [
                "The JSON does not parse; the detail names line and column.",
                "The body is not UTF-8.",
                "The connection broke before the whole body had arrived.",
            ],
            remedy: "Make the body with a JSON library, and compare it with the request schema of the route \
                     in /docs.",
        }
        BodyNotAcceptable = "body-not-acceptable", UNPROCESSABLE_ENTITY, FixRequest, "Body not acceptable" {
            meaning: "The body is valid JSON, but does not match the schema of this route.",
            causes: [
                "A member is missing or appears twice.",
                "A member has the wrong type, or a value that the API does not list.",
                "The JSON is not an object.",
            ],
            remedy: "Compare the body with the request schema of the route in /docs; the detail names the \
                     member and what it takes.",
        }
        CallbackWithoutAttempt = "callback-without-attempt", BAD_REQUEST, Connect, "No usable attempt" {
            meaning: "Instagram's redirect does not lead to a connect attempt that can go on.",
            causes: [
                "The attempt ended more than a day ago, or the page was opened again after the attempt had ended.",
                "The redirect carries no `state`, or one that this server did not issue.",
                "The attempt's return address is no longer one of HOLDFAST_RETURN_URLS.",
            ],
            remedy: "Start again with POST /user/instagram/connect. The detail is what the page told the person.",
        }
        MalformedParameter = "malformed-parameter", BAD_REQUEST, FixRequest, "Malformed parameter" {
            meaning: "A query parameter or a part of the path is not valid.",
            causes: [
                "This server did not issue the page cursor.",
                "The proxy's /forward-auth address has an unknown parameter, such as a misspelt `role`.",
                "A number is outside its range.",
                "A value is not UTF-8.",
            ],
            remedy: "Pass cursors back exactly as they were received, and see /docs for the ranges.",
        }
        MultipleCredentials = "multiple-credentials", BAD_REQUEST, FixRequest, "More than one credential" {
            meaning: "The request carries more than one Authorization header.",
            causes: [
                "A proxy adds an Authorization header of its own.",
                "The client appends the header instead of setting it.",
            ],
            remedy: "Send exactly one Authorization header: the server does not choose between two.",
        }
        SignatureInvalid = "signature-invalid", BAD_REQUEST, FixRequest, "Signature not accepted" {
            meaning: "The call's signature does not match the secret that this server shares with the \
                      sender.",
            causes: [
                "The signing secret belongs to another endpoint or another app.",
                "A proxy changed the body on the way.",
                "The call is older than five minutes, or this server's clock is wrong.",
            ],
            remedy: "Copy the signing secret again (Clerk: the endpoint's whsec_ value; Meta: the app \
                     secret) and let the sender send the call again.",
        }
        ReturnToNotAllowed = "return-to-not-allowed", UNPROCESSABLE_ENTITY, FixRequest,
            "Return address not allowed" {
            meaning: "This server does not send browsers to the address in return_to.",
            causes: [
                "HOLDFAST_RETURN_URLS (by default: the allowed origins) does not cover the address.",
                "The address is a preview on a domain where strangers can take hosts, such as vercel.app: by default \
                 a pattern with `*` covers none there.",
                "The address has a user name, white space or a backslash, or its scheme is not http or \
                 https.",
            ],
            remedy: "Use an address of the app, or add exactly it to HOLDFAST_RETURN_URLS.",
        }
        ReturnToMissing = "return-to-missing", UNPROCESSABLE_ENTITY, FixRequest, "Return address missing" {
            meaning: "The request has no return_to, and this server has no default for it.",
            causes: [
                "HOLDFAST_RETURN_URLS (by default: the allowed origins) is empty or holds patterns with `*` \
                 only.",
            ],
            remedy: "Send return_to with the request.",
        }
        GraphCallNotAllowed = "graph-call-not-allowed", UNPROCESSABLE_ENTITY, FixRequest,
            "Graph call not allowed" {
            meaning: "Holdfast does not pass this Graph call on; nothing was sent to Instagram.",
            causes: [
                "The path has an empty segment, a `.` or `..` segment, or a scheme.",
                "The path is that of a token endpoint.",
                "The path begins with a version; INSTAGRAM_GRAPH_VERSION sets the version of all calls.",
                "The query or the body carries a credential (access_token, client_secret, appsecret_proof); \
                 Holdfast adds the grant itself.",
                "The query or the body contains further calls (batch).",
                "The query names a method as a parameter: what is sent as a read could be done twice.",
                "The body is not a form, a multipart form or JSON, or cannot be read as what its \
                 Content-Type says.",
            ],
            remedy: "Send the path without version and credential, and the body as a form, a multipart form \
                     or JSON.",
        }
        GraphAnswerTooLarge = "graph-answer-too-large", UNPROCESSABLE_ENTITY, FixRequest,
            "Graph answer too large" {
            meaning: "Instagram's answer is larger than 2 MiB and is not passed on. A call that changes \
                      something has taken effect.",
            causes: ["The call asks for many fields, or for large pages."],
            remedy: "Ask for fewer fields or smaller pages (limit).",
        }
        SessionPending = "session-pending", FORBIDDEN, SignIn, "Session not active" {
            meaning: "The sign-in is not finished: the session is still pending.",
            causes: [
                "A task of the sign-in is open, for example choosing an organization or setting up a second \
                 factor.",
                "Where `detail` says so: Clerk gives the session a status (`sts`) that this version does not \
                 know.",
            ],
            remedy: "Let the person finish the task that Clerk shows, then use a new session token. If Clerk \
                     shows none, let them sign in again.",
        }
        ImpersonationNotAllowed = "impersonation-not-allowed", FORBIDDEN, ContactSupport,
            "Not while impersonating" {
            meaning: "Impersonated sessions may only read; they may not connect, complete, check or \
                      disconnect.",
            causes: ["The session token has an `act` claim: somebody else is signed in as this user."],
            remedy: "Let the person do it in their own session.",
        }
        NotAMember = "not-a-member", FORBIDDEN, ContactSupport, "Not in that organization" {
            meaning: "The session has no active organization, or one that this endpoint does not accept.",
            causes: [
                "The person has chosen no organization, or another one.",
                "The person is not a member of the organization.",
            ],
            remedy: "Let the person choose the organization (`setActive`), then send the request again with \
                     a fresh session token.",
        }
        RoleMissing = "role-missing", FORBIDDEN, ContactSupport, "Another role is needed" {
            meaning: "The person's role in the active organization is not one that this endpoint accepts.",
            causes: ["The endpoint requires a role that the person does not have."],
            remedy: "Let an administrator of the organization give the person the role; the next session \
                     token carries it.",
        }
        PermissionMissing = "permission-missing", FORBIDDEN, ContactSupport, "A permission is missing" {
            meaning: "The person does not have the permission that this endpoint requires in the active \
                      organization.",
            causes: [
                "The person's role does not include the permission.",
                "The permission is one of Clerk's own (org:sys_…), which session tokens do not carry.",
            ],
            remedy: "Let an administrator add the permission to the role; the next session token carries it.",
        }
        AttemptNotYours = "attempt-not-yours", FORBIDDEN, Connect, "Another user's attempt" {
            meaning: "Another user started this connect attempt.",
            causes: [
                "Another person signed in to this browser before it came back from Instagram.",
                "The person followed a connect link that was made for somebody else.",
            ],
            remedy: "Nothing was linked. Start again with POST /user/instagram/connect as the person who is \
                     signed in now.",
        }
        CompletionInvalid = "completion-invalid", FORBIDDEN, Connect, "Completion not accepted" {
            meaning: "The completion is not the one from Instagram's redirect.",
            causes: ["The app cut off or changed the value.", "The value belongs to another attempt."],
            remedy: "Send attempt and completion exactly as they stand in the return address, or start \
                     again.",
        }
        NotFound = "not-found", NOT_FOUND, FixRequest, "Not found" {
            meaning: "There is nothing at this address.",
            causes: ["The path is misspelt.", "The path ends with a slash; paths here do not."],
            remedy: "See /docs for the list of routes.",
        }
        AttemptNotFound = "attempt-not-found", NOT_FOUND, Connect, "No such attempt" {
            meaning: "There is no connect attempt with this id.",
            causes: [
                "The id was cut off or changed.",
                "The attempt ended more than a day ago and was deleted.",
            ],
            remedy: "Start again with POST /user/instagram/connect.",
        }
        UserNotFound = "user-not-found", NOT_FOUND, FixRequest, "No such user" {
            meaning: "This is not a Clerk user id.",
            causes: [
                "An Instagram id, an e-mail address or the app's own id was sent instead of Clerk's.",
                "The id was cut off, or encoded twice.",
            ],
            remedy: "Pass the Clerk user id (user_…). To find the user of an Instagram account, use `GET \
                     /service/connections?account=`.",
        }
        MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, FixRequest, "Method not allowed" {
            meaning: "This address exists, but not with this method.",
            causes: ["GET was sent where POST is needed, or the reverse."],
            remedy: "Use one of the methods that the Allow header lists.",
        }
        AccountBelongsToAnotherUser = "account-belongs-to-another-user", CONFLICT, Connect,
            "Account belongs to another user" {
            meaning: "This Instagram account is already linked to another user of the app.",
            causes: [
                "The person has two accounts in the app.",
                "Instagram's page was logged in to somebody else's account.",
                "The other user's access has just ended at Instagram; one refusal is not believed before it is repeated.",
            ],
            remedy: "To use another Instagram account, start again with \"force_reauth\": true: Instagram \
                     then asks who you are. To move this account here, disconnect it as the other \
                     user. If that user cannot, remove the app in Instagram under Settings, Website \
                     permissions. Then start again; if that user's access had ended before, a few minutes \
                     later, or up to a day where Instagram gives no cause. The operator unlinks it at once \
                     with `holdfast connections forget`.",
        }
        DifferentAccount = "different-account", CONFLICT, Reconnect, "Another account" {
            meaning: "Instagram returned a different account than the linked one.",
            causes: ["Instagram's page was logged in to another account than before."],
            remedy: "The linked account is unchanged. Start again with \"force_reauth\": true: Instagram \
                     then asks who you are. To link the other account instead, start again with \"expect\": \
                     \"any_account\".",
        }
        AttemptNotReturned = "attempt-not-returned", CONFLICT, FixRequest, "Attempt not returned yet" {
            meaning: "The browser has not come back from Instagram yet in this attempt.",
            causes: ["The app called complete before Instagram's redirect."],
            remedy: "Send the browser to authorize_url first, and call complete when it returns to \
                     return_to.",
        }
        AttemptInProgress = "attempt-in-progress", CONFLICT, Retry, "Attempt in progress" {
            meaning: "Another request is completing this attempt, or it waits until Instagram may be asked \
                      again.",
            causes: [
                "The app called complete twice, for example from two tabs or from an effect that ran twice.",
                "An earlier request was told that Instagram cannot go on yet, and its Retry-After is not \
                 over.",
            ],
            remedy: "Send the request again after Retry-After: the answer will be the attempt's outcome.",
        }
        ConcurrentChange = "concurrent-change", CONFLICT, Retry, "Changed meanwhile" {
            meaning: "The connection changed while this request was running; the request changed nothing.",
            causes: ["Another request, or a call from Instagram, changed the connection at the same time."],
            remedy: "Send the request again.",
        }
        AttemptExpired = "attempt-expired", GONE, Connect, "Attempt expired" {
            meaning: "This connect attempt is over: it ran out of time, or the user was disconnected.",
            causes: [
                "The person took more than ten minutes at Instagram and back, or Instagram did not answer \
                 for too long.",
                "Somebody disconnected the user while the attempt was open.",
            ],
            remedy: "Start again with POST /user/instagram/connect.",
        }
        UserErased = "user-erased", GONE, ContactSupport, "User erased" {
            meaning: "This user was deleted at Clerk and erased here; only the session token has not expired \
                      yet.",
            causes: ["The user was deleted less than a minute ago."],
            remedy: "There is nothing to do: the token expires by itself.",
        }
        BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, FixRequest, "Body too large" {
            meaning: "The body is larger than this route accepts: 64 KiB, webhooks 256 KiB.",
            causes: ["The body is not the JSON that /docs describes."],
            remedy: "Send a smaller body.",
        }
        RequestTimeout = "request-timeout", REQUEST_TIMEOUT, Retry, "Request too slow" {
            meaning: "The body did not arrive in time.",
            causes: ["The network between the client and this server is very slow or broken."],
            remedy: "Send the request again.",
        }
        UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, FixRequest,
            "Unsupported media type" {
            meaning: "The body's Content-Type is not the one that this route accepts.",
            causes: [
                "Content-Type is missing, or is text/plain or a form where JSON is needed.",
                "The body is compressed (Content-Encoding).",
            ],
            remedy: "Send Content-Type: application/json (Meta's callbacks: \
                     application/x-www-form-urlencoded), uncompressed.",
        }
        TooManyAttempts = "too-many-attempts", TOO_MANY_REQUESTS, Retry, "Too many connect attempts" {
            meaning: "This user has reached the limit of connect attempts: five open ones, or twenty started \
                      within an hour.",
            causes: ["The app starts an attempt on every rendering instead of on a click."],
            remedy: "Wait as long as Retry-After says, which may be most of an hour. Of five open ones it is ten \
                     minutes at most; completing one makes room too.",
        }
        TooManyStreams = "too-many-streams", TOO_MANY_REQUESTS, Retry, "Too many event streams" {
            meaning: "This user has reached the limit of open event streams.",
            causes: ["The app opens a stream for each component, or does not close old streams."],
            remedy: "Use one stream per tab, and close it when it is no longer needed.",
        }
        TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, Retry, "Too many requests at a time" {
            meaning: "This client address has reached its limit of concurrent requests.",
            causes: [
                "A program sends requests without waiting for answers.",
                "A backend that asks /forward-auth for its callers does so from one address.",
                "A proxy is missing from HOLDFAST_TRUSTED_PROXIES, so everybody behind it counts as one \
                 client.",
            ],
            remedy: "Wait for Retry-After and send the request again. The operator can raise \
                     HOLDFAST_REQUESTS_PER_ADDRESS.",
        }
        StopRepeating = "stop-repeating", TOO_MANY_REQUESTS, RefreshSessionToken, "Refused token sent again" {
            meaning: "This session token was refused before and would be refused again.",
            causes: ["A retry loop does not fetch a new token.", "A poller ignores errors."],
            remedy: "Get a fresh token once. If it is refused too, stop and show the code of the refusal.",
        }
    }
}
