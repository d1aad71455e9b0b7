import type {
  ConnectAttempt,
  ConnectOptions,
  ConnectOutcome,
  HoldfastClient,
} from "./holdfast-client.js";

/**
 * Connects in a window of its own; where that is blocked, the page itself leaves. Call it in the
 * press itself. The window finishes the attempt and closes; the page learns of it by the client's
 * snapshot, and of a failure by its `error`.
 */
export function connectInPopup(
  client: HoldfastClient,
  options?: ConnectOptions,
): Promise<ConnectAttempt>;

/**
 * The `onReturn` of a page that may be such a window: tells the page that opened it, which closes
 * it.
 */
export function closePopup(outcome: ConnectOutcome): void;
