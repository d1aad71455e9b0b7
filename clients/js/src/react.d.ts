import type { ReactElement, ReactNode } from "react";
import type {
  AnyHoldfastError,
  ConnectAttempt,
  ConnectOptions,
  DisconnectReceipt,
  GetToken,
  HoldfastClient,
  HoldfastClientOptions,
  HoldfastSnapshot,
  InstagramStatus,
} from "./holdfast-client.js";
import type { Locale } from "./states.js";

/** The part of `@clerk/react`'s `useAuth()` that is used. */
export interface Auth {
  isLoaded: boolean;
  isSignedIn: boolean | undefined;
  sessionId: string | null | undefined;
  /** Its identity may change with each render. */
  getToken: GetToken;
}

interface ProviderProps {
  /** Texts and language of the components below; English if not given. */
  locale?: Locale | undefined;
  children?: ReactNode;
}
interface ProviderWithAuth
  extends ProviderProps, Omit<HoldfastClientOptions, "getToken" | "getSessionId"> {
  /**
   * A hook, for example `useAuth` of `@clerk/react`: called on each render, so always the same one.
   */
  useAuth: () => Auth;
  client?: undefined;
}
interface ProviderWithClient extends ProviderProps {
  /** A client made elsewhere, or the fake one. */
  client: HoldfastClient;
  useAuth?: (() => Auth) | undefined;
}

/**
 * Once, around what uses the hook. Finishes a connect attempt that the address speaks of. All but
 * `useAuth`, `locale`, `onReturn` and `children` is read when it mounts; for other values give it
 * another `key`.
 */
export function HoldfastProvider(props: ProviderWithAuth | ProviderWithClient): ReactElement;

/**
 * The client of the provider, for what the hook does not offer: `sync()`, `profile()`, `history()`.
 */
export function useHoldfastClient(): HoldfastClient;

/**
 * The operations never reject: they resolve to undefined where they failed, and `error` says why.
 */
interface InstagramOperations {
  connect(options?: ConnectOptions): Promise<ConnectAttempt | void>;
  /** `connect`, by the name that `describe` has for it where an account is connected already. */
  reconnect(options?: ConnectOptions): Promise<ConnectAttempt | void>;
  /**
   * `connect`, but Instagram asks for the password, so that another account can be chosen. The
   * account that comes back takes the place of the one connected.
   */
  connectAnother(options?: ConnectOptions): Promise<ConnectAttempt | void>;
  disconnect(): Promise<DisconnectReceipt | void>;
  check(): Promise<InstagramStatus | void>;
  refetch(): Promise<InstagramStatus | void>;
  /** `refetch` for a button: also after a refusal, one request for each press. */
  retry(): Promise<InstagramStatus | void>;
}

interface InstagramFacts extends InstagramOperations {
  /** A known status is being read again. */
  readonly isRefetching: boolean;
  /** Nothing is to be said yet. */
  readonly isLoading: boolean;
}

/** As the client's snapshot; while the sign-in library loads anew, `status` stays what it was. */
type LoadingInstagram = Omit<HoldfastSnapshot, "phase" | "status" | "error"> & {
  readonly phase: "idle" | "loading";
  readonly status: InstagramStatus | null;
  readonly error: AnyHoldfastError | null;
  readonly isLoading: true;
};

/** Discriminated by `phase`, and by `isLoading`. */
export type Instagram = InstagramFacts &
  (
    | LoadingInstagram
    | (Exclude<HoldfastSnapshot, { phase: "idle" | "loading" }> & { readonly isLoading: false })
  );

/** The connection of the person signed in, live while the component is mounted. */
export function useInstagram(): Instagram;

export interface InstagramConnectionProps {
  /** Level of the heading "Instagram"; 2 if not given. */
  headingLevel?: 1 | 2 | 3 | 4 | 5 | 6 | undefined;
  /** Added to the class of the outermost element. */
  className?: string | undefined;
  /** Texts and language; those of the provider if not given. */
  locale?: Locale | undefined;
}

/**
 * The connection as a person sees it, below a `<HoldfastProvider>`. Unstyled;
 * `holdfast-client/instagram-connection.css` is there to take or leave. For styles of your own:
 * `data-state` is the state of the status, or the phase where none is known.
 */
export function InstagramConnection(props: InstagramConnectionProps): ReactElement;
