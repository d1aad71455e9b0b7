//! Codes for what is wrong with the request itself.

mod access;
mod account;
mod message;

use super::row::codes_with_rows;

codes_with_rows! {
    /// What is wrong with the request.
    RequestCode {
        /// The HTTP message breaks the protocol.
        MalformedRequest = message::MALFORMED_REQUEST,
        /// The head of the HTTP message is larger than we read.
        HeaderTooLarge = message::HEADER_TOO_LARGE,
        /// The address in the HTTP message is longer than we read.
        AddressTooLong = message::ADDRESS_TOO_LONG,
        /// The body is not JSON, or breaks off.
        MalformedBody = message::MALFORMED_BODY,
        /// The body is JSON, and not what the route takes.
        BodyNotAcceptable = message::BODY_NOT_ACCEPTABLE,
        /// A query parameter or a path segment is not acceptable.
        MalformedParameter = message::MALFORMED_PARAMETER,
        /// More than one `Authorization` header.
        MultipleCredentials = message::MULTIPLE_CREDENTIALS,
        /// The webhook's signature does not hold.
        SignatureInvalid = access::SIGNATURE_INVALID,
        /// `return_to` is not on the allow-list.
        ReturnToNotAllowed = account::RETURN_TO_NOT_ALLOWED,
        /// `return_to` is missing and there is no default.
        ReturnToMissing = account::RETURN_TO_MISSING,
        /// The Graph path or parameter is not one that we pass on.
        GraphCallNotAllowed = account::GRAPH_CALL_NOT_ALLOWED,
        /// Instagram's answer is larger than what is passed on.
        GraphAnswerTooLarge = account::GRAPH_ANSWER_TOO_LARGE,
        /// The session is not active yet.
        SessionPending = access::SESSION_PENDING,
        /// The session is impersonated.
        ImpersonationNotAllowed = access::IMPERSONATION_NOT_ALLOWED,
        /// The session is active in no organization, or not in that one.
        NotAMember = access::NOT_A_MEMBER,
        /// The person has another role.
        RoleMissing = access::ROLE_MISSING,
        /// The person lacks the permission.
        PermissionMissing = access::PERMISSION_MISSING,
        /// Somebody else's attempt.
        AttemptNotYours = account::ATTEMPT_NOT_YOURS,
        /// The completion is not the one that the redirect carried.
        CompletionInvalid = account::COMPLETION_INVALID,
        /// Nothing there.
        NotFound = message::NOT_FOUND,
        /// No such attempt.
        AttemptNotFound = account::ATTEMPT_NOT_FOUND,
        /// No id that a user can have.
        UserNotFound = access::USER_NOT_FOUND,
        /// The route has other methods.
        MethodNotAllowed = message::METHOD_NOT_ALLOWED,
        /// The account is linked to another user.
        AccountBelongsToAnotherUser = account::ACCOUNT_BELONGS_TO_ANOTHER_USER,
        /// Another account came back than the linked one.
        DifferentAccount = account::DIFFERENT_ACCOUNT,
        /// The browser has not come back from Instagram yet.
        AttemptNotReturned = account::ATTEMPT_NOT_RETURNED,
        /// The attempt is being completed by another request.
        AttemptInProgress = account::ATTEMPT_IN_PROGRESS,
        /// The connection changed under the request.
        ConcurrentChange = account::CONCURRENT_CHANGE,
        /// The attempt's time is over.
        AttemptExpired = account::ATTEMPT_EXPIRED,
        /// The user was erased.
        UserErased = access::USER_ERASED,
        /// The body is too large.
        BodyTooLarge = message::BODY_TOO_LARGE,
        /// The body took too long to arrive.
        RequestTimeout = message::REQUEST_TIMEOUT,
        /// The body's type is not the one that the route takes.
        UnsupportedMediaType = message::UNSUPPORTED_MEDIA_TYPE,
        /// Too many attempts are open, or were begun within the hour.
        TooManyAttempts = account::TOO_MANY_ATTEMPTS,
        /// Too many event streams.
        TooManyStreams = access::TOO_MANY_STREAMS,
        /// Too many requests under way from one address.
        TooManyRequests = access::TOO_MANY_REQUESTS,
        /// The same refused token again and again.
        StopRepeating = access::STOP_REPEATING,
    }
}
