import type { IncomingMessage } from "node:http";
import type { components } from "./openapi.js";

type Schemas = components["schemas"];
export type InstagramStatus = Schemas["InstagramStatus"];
export type TokenAnswer = Schemas["TokenAnswer"];
export type GraphAnswer = Schemas["GraphAnswer"];
export type HistoryPage = Schemas["HistoryPage"];
export type DisconnectReceipt = Schemas["DisconnectReceipt"];
/** RFC 9457. `code` and `action` say what it is and what a client may do. */
export type Problem = Omit<Schemas["Problem"], "request_id"> & { request_id?: string };

/** The verified holder of a session token. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string | null;
  readonly orgId: string | null;
  /** Without the prefix `org:`, for example `admin`. */
  readonly orgRole: string | null;
  /** In full, for example `org:invoices:read`. */
  readonly orgPermissions: readonly string[];
  /** Who acts in the user's name; such a session should not change anything. */
  readonly impersonator: string | null;
}

/** What a route asks of its callers, beyond a good token. Of several values any will do. */
export interface Requirements {
  /**
   * Lets a request without credentials pass, as nobody. A refused token is refused all the same.
   */
  credentials?: "optional";
  /** `any`, or `org_…`. */
  org?: string | readonly string[];
  role?: string | readonly string[];
  permission?: string | readonly string[];
}

export interface Accepted<C extends Caller | null = Caller | null> {
  readonly ok: true;
  /** Null for OPTIONS (see `judgeEveryMethod`), and for nobody where credentials are optional. */
  readonly caller: C;
}

/** What to answer instead. */
export interface Refused {
  readonly ok: false;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `problem` as JSON. */
  readonly body: string;
  readonly problem: Problem;
}

export type Verdict = Accepted | Refused;

/** A Fetch `Request`, Node's `IncomingMessage`, or anything with their method and headers. */
export type AnyRequest =
  | { method?: string | undefined; headers: { get(name: string): string | null } }
  | (Pick<IncomingMessage, "method" | "headers"> & {
      headersDistinct?: IncomingMessage["headersDistinct"];
    });

export interface Options {
  /** Where Holdfast answers, as this backend reaches it. */
  url: string | URL;
  /** `hf_sk_…`, for `service`. */
  serviceKey?: string | undefined;
  /** `HOLDFAST_FORWARD_AUTH_SECRET`, for `verifyAssertion`; several while one replaces another. */
  assertionSecret?: string | readonly string[] | undefined;
  /** `HOLDFAST_WEBHOOK_SECRET`, for `verifyWebhook`; several while one replaces another. */
  webhookSecret?: string | readonly string[] | undefined;
  /** `HOLDFAST_PUBLIC_URL`, where it differs from `url`: assertions are checked against it. */
  issuer?: string | undefined;
  /** The host that assertions must be for. */
  audience?: string | undefined;
  /**
   * Judges OPTIONS like every other method. By default it passes without a caller, whatever a route
   * requires, because a browser's preflight carries no credentials. Better where `cors()` in front
   * answers preflights.
   */
  judgeEveryMethod?: boolean | undefined;
  /** Accepted tokens that are remembered. Default 10,000. */
  capacity?: number | undefined;
  /** How long Holdfast may take to judge, in milliseconds. Default 3,000. */
  timeout?: number | undefined;
}

export interface GraphCall {
  /** GET if not given, which has no body. */
  method?: "GET" | "POST" | "DELETE" | undefined;
  query?: Record<string, string | number | boolean | null | undefined> | undefined;
  body?: unknown;
}

/** Each rejects with a `HoldfastError` on any answer but 2xx. */
export interface Service {
  status(userId: string): Promise<InstagramStatus>;
  token(userId: string): Promise<TokenAnswer>;
  check(userId: string): Promise<InstagramStatus>;
  history(userId: string, query?: HistoryQuery): Promise<HistoryPage>;
  disconnect(userId: string): Promise<DisconnectReceipt>;
  graph(userId: string, path: string, call?: GraphCall): Promise<GraphAnswer>;
  connections(query?: ConnectionsQuery): Promise<ConnectionsPage>;
}

export interface HistoryQuery {
  /** `next` of the page before; null, which the last page has, begins anew. */
  cursor?: string | null | undefined;
  /** Another name of `cursor`. */
  before?: string | null | undefined;
  limit?: number | undefined;
}

export interface ConnectionsQuery {
  state?: InstagramStatus["state"] | undefined;
  reason?: NonNullable<InstagramStatus["reason"]> | undefined;
  expires_before?: string | undefined;
  /** Either id, or `@username`. */
  account?: string | undefined;
  /** `next` of the page before; null, which the last page has, begins anew. */
  cursor?: string | null | undefined;
  limit?: number | undefined;
}

export type ConnectionsPage = Schemas["ConnectionsPage"];

/** Somebody's status changed, or their grant is about to expire. */
export type InstagramEvent = Schemas["InstagramEvent"];

/** Many connections fail in the same way; that is over. */
export type IncidentEvent = Schemas["IncidentEvent"];

/** `type` says which. */
export type HoldfastEvent = Schemas["HoldfastEvent"];

export interface Holdfast {
  /**
   * Asks Holdfast who is calling. If Holdfast is away, the verdict is a refusal with status 503.
   * Rejects only on mistaken requirements, with a `TypeError`.
   */
  verify(request: AnyRequest, requirements?: Requirements): Promise<Verdict>;
  /**
   * Who is calling, by the `X-Auth-Assertion` of the proxy in front; requirements are checked on
   * it.
   */
  verifyAssertion(request: AnyRequest, requirements?: Requirements): Verdict;
  /**
   * The event, once its signature holds; throws a `WebhookError` otherwise. `body`: the bytes as
   * they arrived.
   */
  verifyWebhook(
    body: string | Uint8Array,
    headers: Headers | IncomingMessage["headers"],
  ): HoldfastEvent;
  service: Service;
}

export declare function createHoldfast(options: Options): Holdfast;

export declare class HoldfastError extends Error {
  readonly name: "HoldfastError";
  /** Holdfast's; 0 where no answer came. Express and Fastify do not take it for the app's own. */
  readonly httpStatus: number;
  readonly code: string;
  /** On 424 the status's reason. */
  readonly reason: string | null;
  /**
   * What may be done: the same call again only where it is `retry`. Without an answer of Holdfast's
   * it is `look_first` for what may have been published; otherwise `retry` where no answer came,
   * and null where something else answered.
   */
  readonly action: Problem["action"] | null;
  readonly problem?: Problem;
  /** In seconds. */
  readonly retryAfter: number | null;
}

export declare class WebhookError extends Error {
  readonly name: "WebhookError";
  /** What Express and Fastify answer with where nothing else is done about it. */
  readonly status: 400;
  /** The same for Nest. */
  readonly statusCode: 400;
}

/** What the wrappers for frameworks take. */
export interface WrapperOptions extends Requirements {
  /**
   * A proxy has asked Holdfast already; its `X-Auth-Assertion` is verified instead of asking again.
   */
  behindProxy?: boolean;
}
