// Generated from docs/reference/openapi.json by `npm run generate`.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An account at the provider. Ids are strings: they exceed 2^53. */
        Account: {
            /** @description Instagram: the app-scoped id, `/me.id`. Identifies the account within our app. */
            id: string;
            /** @description Instagram: the professional account's id, `/me.user_id`, as in webhooks. */
            professional_id: string | null;
            /** @description The handle; may change. */
            username: string | null;
            /** @description The display name. */
            name: string | null;
            /** @description Lower case: `business` or `media_creator`. */
            account_type: string | null;
            /** @description A signed address that expires; its failure says nothing about the connection. */
            profile_picture_url: string | null;
        };
        /**
         * @description The action that would help.
         * @enum {string}
         */
        Action: "none" | "connect" | "reconnect" | "wait" | "fix_at_instagram" | "contact_support";
        /** @description A connect attempt that began or ended. */
        AttemptLine: {
            /** @description The attempt. */
            id: string;
            /** @description How it ended: `connected`, `denied`, `expired`, `failed`, `different_account`, `account_taken` or `disconnected`; `null` where it began. */
            outcome: string | null;
            /** @description Why it failed. */
            reason: components["schemas"]["Reason"] | null;
        };
        /** @description A connect attempt that is open. */
        AttemptUnderway: {
            /** @description Its id, as `connect` answered it. */
            id: string;
            /** @description When it ends by itself. */
            expires_at: string;
        };
        /** @description One page. */
        ConnectionsPage: {
            /** @description The connections that match. */
            connections: components["schemas"]["UserStatus"][];
            /** @description The opaque cursor of the next page. */
            next: string | null;
        };
        /** @description Proof that the grant is gone. */
        DisconnectReceipt: {
            /** @description Always true: after this answer nothing is linked. */
            disconnected: boolean;
            /** @description When the grant's bytes were deleted. `null` where there was nothing to delete. */
            deleted_at: string | null;
            /** @description What to do at Instagram to withdraw the permission there too; its API has no way to do that for a person. */
            revoke_hint: string;
        };
        /** @description The event that a connection's state rests on. */
        Evidence: {
            /** @description The kind of event. */
            source: components["schemas"]["EvidenceSource"];
            /** @description When it happened. */
            at: string;
        };
        /**
         * @description The kind of event that our knowledge rests on.
         * @enum {string}
         */
        EvidenceSource: "oauth" | "refresh" | "use" | "callback" | "clock";
        /** @description Instagram's own answer. */
        GraphAnswer: {
            /**
             * Format: uint16
             * @description The status that Instagram answered with; it says nothing about the caller of this API.
             */
            status: number;
            /** @description The JSON of Instagram's answer as it was sent, but for the grant; `null` where the answer is not JSON. */
            body: unknown;
        };
        /** @description One change of state. */
        HistoryLine: {
            /** @description When, RFC 3339. */
            at: string;
            /** @description The state that held from then on. */
            state: components["schemas"]["State"];
            /** @description Why. */
            reason: components["schemas"]["Reason"] | null;
            /** @description The evidence for it. */
            evidence: components["schemas"]["Evidence"] | null;
            /**
             * Format: int64
             * @description The version of the connection that it led to.
             */
            version: number;
            /** @description The connect attempt that began or ended with it. */
            attempt: components["schemas"]["AttemptLine"] | null;
        };
        /** @description One page. */
        HistoryPage: {
            /** @description Newest first. */
            entries: components["schemas"]["HistoryLine"][];
            /** @description The opaque cursor of the next page. */
            next: string | null;
        };
        /** @description An event to the app's backend; `type` says which. */
        HoldfastEvent: components["schemas"]["InstagramEvent"] | components["schemas"]["IncidentEvent"];
        /** @description Many connections fail in the same way; that is over. */
        IncidentEvent: {
            /**
             * @description Which of the two.
             * @enum {string}
             */
            type: "incident.began" | "incident.ended";
            /** @description When it was noticed, RFC 3339. */
            timestamp: string;
            /** @description Where. */
            data: components["schemas"]["IncidentEventData"];
        };
        /** @description Where the incident is. */
        IncidentEventData: {
            /** @description The provider: `instagram`. */
            provider: string;
        };
        /** @description Somebody's status changed, or their grant is about to expire. */
        InstagramEvent: {
            /**
             * @description Which of the two.
             * @enum {string}
             */
            type: "instagram.status" | "instagram.expiring_soon";
            /** @description When it happened, RFC 3339. */
            timestamp: string;
            /** @description Whose, and what is known. */
            data: components["schemas"]["InstagramEventData"];
        };
        /** @description Whose status, and the status. */
        InstagramEventData: {
            /** @description Clerk user id, `user_…`. */
            user_id: string;
            /** @description As it is when the event is sent. Of two, the one with the greater `version` counts. */
            status: components["schemas"]["InstagramStatus"];
        };
        /** @description A caller's Instagram connection, as far as we know. */
        InstagramStatus: {
            /** @description Could the app use this account right now, as far as we know? */
            connected: boolean;
            /** @description The state. */
            state: components["schemas"]["State"];
            /** @description Why, where there is something to say. */
            reason: components["schemas"]["Reason"] | null;
            /** @description The action that would help. */
            action: components["schemas"]["Action"];
            /** @description The linked account. */
            account: components["schemas"]["Account"] | null;
            /** @description Granted scopes. */
            scopes: string[];
            /** @description Scopes that the app asks for and lacks. */
            missing_scopes: string[];
            /** @description When the grant expires unless refreshed. */
            token_expires_at: string | null;
            /** @description When Instagram is asked next: to refresh the grant, or to see whether a failure has passed or the person has done what Instagram wants. Never before the end of this replica's own pause, while Instagram does not answer or the app's budget is used up. In the past when it is due. */
            next_refresh_at: string | null;
            /** @description Since when the state holds. */
            since: string | null;
            /** @description Do not ask Instagram again before this time: it would not help. An attempt that waits for Instagram goes on then, by itself. */
            retry_after: string | null;
            /** @description The event that the state rests on. */
            evidence: components["schemas"]["Evidence"] | null;
            /** @description The connect attempt that is open. */
            attempt: components["schemas"]["AttemptUnderway"] | null;
            /**
             * Format: int64
             * @description Grows with every stored change.
             */
            version: number;
            /** @description One sentence for a person, if `connected` is false and something is wrong. */
            error?: string;
        };
        /** @description The members of the body, RFC 9457 section 3 and our extensions. */
        Problem: {
            /** @description A short name of the kind of problem. */
            title: string;
            /** @description The page of the code, served by this very installation. */
            type: string;
            /**
             * Format: uint16
             * @description The status of the answer.
             */
            status: number;
            /** @description What happened, in a sentence. */
            detail: string;
            /** @description The same as `detail`, for clients written for `{"error": "…"}`. */
            error: string;
            /** @description Who is at fault, or whom we are waiting for. */
            source: components["schemas"]["ProblemSource"];
            /** @description The stable code. */
            code: string;
            /** @description On 424 the status's reason; on `stop-repeating` the code of the refusal that is being repeated. */
            reason?: string;
            /** @description What a client may do about it. */
            action: components["schemas"]["ProblemAction"];
            /** @description The id of the request, for the log. */
            request_id: string;
        };
        /**
         * @description What a client may do about it without a person: the `action` member.
         * @enum {string}
         */
        ProblemAction: "refresh_session_token" | "sign_in" | "retry" | "look_first" | "fix_request" | "connect" | "reconnect" | "fix_at_instagram" | "contact_support";
        /**
         * @description Who is at fault, or whom we are waiting for: the `source` member.
         * @enum {string}
         */
        ProblemSource: "session" | "service_key" | "request" | "instagram" | "clerk" | "database" | "server";
        /**
         * @description Why a connection is in its state.
         * @enum {string}
         */
        Reason: "user_disconnected" | "denied" | "attempt_expired" | "attempt_failed" | "account_moved" | "account_not_admitted" | "scopes_missing" | "refresh_failing" | "rate_limited" | "provider_unavailable" | "provider_incident" | "app_misconfigured" | "checkpoint" | "unconfirmed" | "restricted" | "consent_blocked" | "expired" | "revoked" | "password_changed" | "deauthorized" | "token_invalid" | "account_ineligible" | "key_lost" | "grant_unreadable" | "not_configured";
        /**
         * @description The state of a connection as the contract names it.
         * @enum {string}
         */
        State: "not_connected" | "connecting" | "connected" | "degraded" | "action_required" | "reconnect_required" | "unavailable";
        /** @description A grant for use by the app's backend. */
        TokenAnswer: {
            /** @description The token, for Graph calls. */
            access_token: string;
            /** @description When it dies unless refreshed, RFC 3339. */
            token_expires_at: string;
            /** @description What was granted. */
            scopes: string[];
            /** @description The account that it is for. */
            account: components["schemas"]["Account"] | null;
        };
        /** @description What is known about a user's connection. */
        UserStatus: {
            /** @description Clerk user id, `user_…`. */
            user_id: string;
            /** @description Could the app use this account right now, as far as we know? */
            connected: boolean;
            /** @description The state. */
            state: components["schemas"]["State"];
            /** @description Why, where there is something to say. */
            reason: components["schemas"]["Reason"] | null;
            /** @description The action that would help. */
            action: components["schemas"]["Action"];
            /** @description The linked account. */
            account: components["schemas"]["Account"] | null;
            /** @description Granted scopes. */
            scopes: string[];
            /** @description Scopes that the app asks for and lacks. */
            missing_scopes: string[];
            /** @description When the grant expires unless refreshed. */
            token_expires_at: string | null;
            /** @description When Instagram is asked next: to refresh the grant, or to see whether a failure has passed or the person has done what Instagram wants. Never before the end of this replica's own pause, while Instagram does not answer or the app's budget is used up. In the past when it is due. */
            next_refresh_at: string | null;
            /** @description Since when the state holds. */
            since: string | null;
            /** @description Do not ask Instagram again before this time: it would not help. An attempt that waits for Instagram goes on then, by itself. */
            retry_after: string | null;
            /** @description The event that the state rests on. */
            evidence: components["schemas"]["Evidence"] | null;
            /** @description The connect attempt that is open. */
            attempt: components["schemas"]["AttemptUnderway"] | null;
            /**
             * Format: int64
             * @description Grows with every stored change.
             */
            version: number;
            /** @description One sentence for a person, if `connected` is false and something is wrong. */
            error?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
