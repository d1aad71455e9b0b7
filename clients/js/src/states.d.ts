import type {
  AnyHoldfastError,
  HoldfastPhase,
  HoldfastSnapshot,
  InstagramState,
} from "./holdfast-client.js";

/** Names an operation of `useInstagram()`. */
export type Press = "connect" | "reconnect" | "check" | "retry";

/** `sentence` is absent where the title says it all. */
export interface StateText {
  title: string;
  sentence?: string;
}

/**
 * By state; by phase for a client without a status; and back from Instagram, while the attempt is
 * finished.
 */
type StateTexts = {
  readonly [S in InstagramState | Exclude<HoldfastPhase, "ready"> | "completing"]: StateText;
};

/**
 * All that people read, in one language: `en` and `de` ship, and a spread changes single texts:
 * `{ ...en, labels: { ...en.labels, disconnect: "Unlink" } }`.
 */
export interface Locale {
  /** BCP 47: for times, and for the `lang` attribute. */
  readonly lang: string;
  /** Of writing: "ltr" if not given. */
  readonly dir?: "ltr" | "rtl" | undefined;
  /** Complete by type: a state or phase without a text does not compile. */
  readonly states: StateTexts;
  /**
   * Why something is wrong: by the reason of a status, by the `code` of an error, else by its
   * `kind`. What is missing the server says itself, in English; to leave nothing to it, give
   * `reason` and `request` for what is not listed.
   */
  readonly sentences: { readonly [code: string]: string | undefined };
  readonly labels: {
    readonly connect: string;
    /** Connects anew while an attempt is open. */
    readonly restart: string;
    readonly reconnect: string;
    readonly check: string;
    readonly retry: string;
    /** Connects another account, where the wrong one came back. */
    readonly another: string;
    /**
     * Confirms it where an account is connected, whose place the other one takes. If not given it
     * reads as `another`.
     */
    readonly replace?: string | undefined;
    readonly disconnect: string;
    readonly confirm: string;
    /** On a button while what it does is under way. */
    readonly busy: string;
    readonly open: string;
    /** `{title}` stands for the title of what was last known. */
    readonly stale: string;
    /** Before a date and time. */
    readonly confirmed: string;
    readonly noticed: string;
  };
}

/**
 * `label` and `press` are those of the button that helps; both are absent where there is nothing to
 * press. `another` is the label of a second button, for `connectAnother()`, where Instagram has the
 * wrong account signed in. `alert` is the text of the error, unless `sentence` says the same.
 */
export type Description = StateText & { alert?: string | false | null; another?: string } & (
    { label: string; press: Press } | { label?: undefined; press?: undefined }
  );

/**
 * A snapshot as a person reads it: the status where one is known, else the phase. With an `error`
 * the title claims nothing that cannot be known while the server is away.
 */
export function describe(
  snapshot: Pick<HoldfastSnapshot, "phase" | "status" | "error"> & {
    isCompleting?: boolean | undefined;
    isStale?: boolean | undefined;
  },
  locale?: Locale,
): Description;

export function describeError(error: AnyHoldfastError, locale?: Locale): string;

/** "3 days ago", "in 2 hours", "this minute"; `now` in milliseconds since the epoch. */
export function relativeTime(at: string, now: number, locale?: Pick<Locale, "lang">): string;
