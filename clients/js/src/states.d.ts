import type { AnyHoldfastError, HoldfastPhase, HoldfastSnapshot, InstagramState } from "./holdfast-client.js";

/** Names an operation of `useInstagram()`. */
export type Press = "connect" | "reconnect" | "check" | "refetch";

export interface StateText {
  title: string;
  sentence?: string;
  label?: string;
  press?: Press;
}

/** Complete by type: a state or phase without a text does not compile. */
export const stateTexts: { readonly [S in InstagramState | Exclude<HoldfastPhase, "ready">]: StateText };

/** `label` and `press` are those of the button that helps; absent where there is nothing to press. */
export interface Description {
  title: string;
  /** Absent where the title says it all. */
  sentence?: string;
  label?: string;
  press?: Press;
}

/**
 * A snapshot as a person reads it: the status where one is known, else the phase. With an `error` the title claims nothing
 * that cannot be known while the server is away. Why a status is not connected is the server's own sentence, `status.error`.
 */
export function describe(snapshot: Pick<HoldfastSnapshot, "phase" | "status" | "error">): Description;

export function describeError(error: AnyHoldfastError): string;

/** "3 days ago", "in 2 hours", "this minute"; `now` in milliseconds since the epoch. */
export function relativeTime(at: string, now: number, locale?: string): string;
