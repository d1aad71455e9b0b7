import type {
  AnyHoldfastError,
  HoldfastPhase,
  HoldfastSnapshot,
  InstagramReason,
  InstagramState,
} from "./holdfast-client.js";

/** Names an operation of `useInstagram()`. */
export type Press = "connect" | "reconnect" | "check" | "retry";

/** A button: its label, and the operation that it calls. */
export interface ButtonText {
  label: string;
  press: Press;
}

/** `sentence` is absent where the title says it all, the button where there is nothing to press. */
export type StateText = { title: string; sentence?: string } & (
  ButtonText | { label?: undefined; press?: undefined }
);

/** By state, and by phase for a client without a status. */
type StateTexts = { readonly [S in InstagramState | Exclude<HoldfastPhase, "ready">]: StateText };

/**
 * All that people read, in one language: `en` and `de` ship, and a spread changes single texts:
 * `{ ...en, labels: { ...en.labels, disconnect: "Unlink" } }`.
 */
export interface Locale {
  /** BCP 47: for times, and for the `lang` attribute. */
  readonly lang: string;
  /** Complete by type: a state or phase without a text does not compile. */
  readonly states: StateTexts;
  /** Back from Instagram, while the attempt is finished. */
  readonly completing: StateText;
  /** Instead of the server's own sentence, which is English. */
  readonly reasons: { readonly [R in InstagramReason]?: string };
  /** For reasons that are not among them; absent: the server's own sentence. */
  readonly otherReason?: string;
  /** By the status's `action`. */
  readonly actions: { readonly [A in "connect" | "reconnect" | "fix_at_instagram"]: ButtonText };
  /** By `code`, else by `kind`. Without a text for `request` the server's own sentence is shown. */
  readonly errors: { readonly [code: string]: string | undefined };
  readonly labels: {
    /** `{title}` stands for the title of what was last known. */
    readonly stale: string;
    /** `{time}` stands for "3 days ago". */
    readonly confirmed: string;
    readonly noticed: string;
    readonly opening: string;
    readonly checking: string;
    readonly open: string;
    readonly another: string;
    readonly disconnect: string;
    readonly confirm: string;
  };
}

/**
 * `label` and `press` are those of the button that helps; both are absent where there is nothing to press. `another` is the
 * label of a second button, for `connectAnother()`, where Instagram has the wrong account signed in.
 */
export type Description = StateText & { another?: string };

/**
 * A snapshot as a person reads it: the status where one is known, else the phase. With an `error` the title claims nothing
 * that cannot be known while the server is away.
 */
export function describe(
  snapshot: Pick<HoldfastSnapshot, "phase" | "status" | "error"> & { isCompleting?: boolean },
  locale?: Locale,
): Description;

export function describeError(error: AnyHoldfastError, locale?: Locale): string;

/** "3 days ago", "in 2 hours", "this minute"; `now` in milliseconds since the epoch. */
export function relativeTime(at: string, now: number, locale?: Pick<Locale, "lang">): string;
