import type { ReactElement, ReactNode } from "react";
import type {
  ConnectAttempt,
  ConnectOptions,
  DisconnectReceipt,
  GetToken,
  HoldfastClient,
  HoldfastClientOptions,
  HoldfastSnapshot,
  InstagramStatus,
} from "./holdfast-client.js";

/** The part of `@clerk/react`'s `useAuth()` that is used. */
export interface Auth {
  isLoaded: boolean;
  isSignedIn: boolean | undefined;
  sessionId: string | null | undefined;
  /** Its identity may change with each render. */
  getToken: GetToken;
}

interface ProviderWithAuth extends Omit<HoldfastClientOptions, "getToken" | "getSessionId"> {
  /** A hook, for example `useAuth` of `@clerk/react`: called on each render, so always the same one. */
  useAuth: () => Auth;
  client?: undefined;
}
interface ProviderWithClient {
  /** A client made elsewhere, or the fake one. */
  client: HoldfastClient;
  useAuth?: () => Auth;
}

/**
 * Once, around what uses the hook. Finishes a connect attempt that the address speaks of. All but `useAuth` and `children`
 * is read when it mounts; for other values give it another `key`.
 */
export function HoldfastProvider(props: (ProviderWithAuth | ProviderWithClient) & { children?: ReactNode }): ReactElement;

/** The client of the provider, for what the hook does not offer: `sync()`, `profile()`, `history()`. */
export function useHoldfastClient(): HoldfastClient;

export interface Instagram extends Omit<HoldfastSnapshot, "isFetching"> {
  isFetching: boolean;
  /** Nothing is known yet. */
  isLoading: boolean;
  /** A known status is being read again. */
  isRefetching: boolean;
  /** The operations never reject: they resolve to undefined where they failed, and `error` says why. */
  connect(options?: ConnectOptions): Promise<ConnectAttempt | void>;
  /** `connect` that insists on the account already connected. */
  reconnect(options?: ConnectOptions): Promise<ConnectAttempt | void>;
  disconnect(): Promise<DisconnectReceipt | void>;
  check(): Promise<InstagramStatus | void>;
  refetch(): Promise<InstagramStatus | void>;
}

/** The connection of whoever is signed in, live while the component is mounted. */
export function useInstagram(): Instagram;

export interface InstagramConnectionProps {
  /** Level of the heading "Instagram"; 2 if not given. */
  headingLevel?: 1 | 2 | 3 | 4 | 5 | 6;
  /** Added to the class of the outermost element. */
  className?: string;
}

/**
 * The connection as a person sees it, below a `<HoldfastProvider>`. Unstyled; `holdfast-client/instagram-connection.css` is
 * there to take or leave. For styles of your own: `data-state` is the state of the status, or the phase where none is known.
 */
export function InstagramConnection(props: InstagramConnectionProps): ReactElement;
