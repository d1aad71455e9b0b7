import type { AnyHoldfastError, HoldfastPhase, InstagramAction, InstagramState, InstagramStatus } from "./holdfast-client.js";

export type Tone = "neutral" | "busy" | "good" | "warning" | "bad";

export interface Description {
  title: string;
  tone: Tone;
  sentence: string;
}

/** Complete by type: a state or reason without a text does not compile. */
export type StateTexts = {
  [S in InstagramState]: Description & {
    label?: string;
    /** The sentence while the state cannot be read; where there is none, the sentence holds on. */
    stale?: string;
    reasons: { [R in NonNullable<Extract<InstagramStatus, { state: S }>["reason"]>]: string };
  };
};

export const stateTexts: StateTexts;
export const actionLabels: { [A in InstagramAction]: string | null };
export const phaseTexts: { [P in Exclude<HoldfastPhase, "ready">]: Description };

/**
 * `action` is the label of the button, or null where there is none. With the `error` of the snapshot the sentence claims
 * nothing that cannot be known while the server is away.
 */
export function describeStatus(
  status: InstagramStatus,
  error?: AnyHoldfastError | null,
): Description & { action: string | null };
export function describeError(error: AnyHoldfastError): string;
/** "3 days ago", "in 2 hours"; `now` in milliseconds since the epoch. */
export function relativeTime(at: string, now: number, locale?: string): string;
