/** Checked by `tsc`, never run. Each `@ts-expect-error` is a mistake that must not compile. */
import { useQuery, QueryClient } from "@tanstack/react-query";
import useSWR, { useSWRConfig } from "swr";
import {
  authorizedFetch,
  createHoldfastClient,
  HoldfastError,
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastServiceError,
  HoldfastSessionError,
  type AnyHoldfastError,
  type ConnectOutcome,
  type HoldfastClient,
  type HoldfastPhase,
  type HoldfastSnapshot,
  type InstagramStatus,
} from "holdfast-client";
import { createFakeClient, fakeStatus } from "holdfast-client/fake";
import { de } from "holdfast-client/locales/de";
import { en } from "holdfast-client/locales/en";
import { closePopup, connectInPopup } from "holdfast-client/popup";
import {
  HoldfastProvider,
  InstagramConnection,
  useInstagram,
  type Instagram,
} from "holdfast-client/react";
import { describe, describeError } from "holdfast-client/states";
import { feedSwr, instagramStatusSwr } from "holdfast-client/swr";
import {
  feedQueryClient,
  instagramStatusKey,
  instagramStatusOptions,
} from "holdfast-client/tanstack-query";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertType<_T extends true>() {}

const client: HoldfastClient = createHoldfastClient({
  baseUrl: "https://api.example.com",
  getToken: async () => null,
});

// @ts-expect-error without getToken nobody can be signed in
createHoldfastClient({ baseUrl: "https://api.example.com" });
// @ts-expect-error a token, not a promise of one
createHoldfastClient({ baseUrl: "https://api.example.com", getToken: () => "token" });
// @ts-expect-error there is no way to sign out
client.signOut();

// The union is discriminated by `state`, with the reasons and actions of the contract and no
// others.
export function byState(status: InstagramStatus): string {
  switch (status.state) {
    case "not_connected":
      assertType<Equal<typeof status.connected, false>>();
      if (status.reason === "account_not_admitted")
        assertType<Equal<typeof status.action, "contact_support">>();
      else assertType<Equal<typeof status.action, "connect">>();
      return status.reason ?? "never connected";
    case "connecting":
      assertType<Equal<typeof status.connected, false>>();
      status.attempt?.expires_at satisfies string | undefined;
      return status.state;
    case "connected":
      assertType<Equal<typeof status.reason, "scopes_missing" | null>>();
      // @ts-expect-error a username can be unknown
      status.account?.username.length;
      return status.account?.id ?? status.state;
    case "degraded":
      // @ts-expect-error not a reason of this state
      if (status.reason === "revoked") return "";
      return status.reason;
    case "action_required":
      assertType<Equal<typeof status.action, "fix_at_instagram">>();
      return status.reason;
    case "reconnect_required":
      // @ts-expect-error the account may be unknown
      status.account.id;
      return status.reason;
    case "unavailable":
      return status.reason;
    default:
      return status satisfies never;
  }
}

export function byKind(error: AnyHoldfastError): string {
  switch (error.kind) {
    case "session":
      assertType<Equal<typeof error, HoldfastSessionError>>();
      return error.code;
    case "service":
      assertType<Equal<typeof error, HoldfastServiceError>>();
      return error.problem?.reason ?? error.code;
    case "network":
      assertType<Equal<typeof error, HoldfastNetworkError>>();
      return error.code;
    case "request":
      assertType<Equal<typeof error, HoldfastRequestError>>();
      return String(error.status.toFixed());
    default:
      return error satisfies never;
  }
}

export async function operations() {
  try {
    await client.sync().then(({ user, created }) => [user.email?.length, created]);
    const attempt = await client.connect({
      expect: "any_account",
      returnTo: "https://app.example.com/settings",
    });
    attempt.authorize_url.length;
    const outcome: ConnectOutcome | null = await client.completeFromUrl(
      "https://app.example.com/?instagram=denied",
    );
    if (outcome?.outcome === "complete" && outcome.status) byState(outcome.status);
    const { entries, next } = await client.history({ cursor: null });
    entries[0]?.evidence?.source satisfies string | undefined;
    await client.history({ cursor: next });
    (await client.profile()).connections.instagram satisfies InstagramStatus;
    (await client.disconnect()).disconnected satisfies boolean;
    // @ts-expect-error not one of the two
    await client.connect({ expect: "whatever" });
  } catch (error) {
    if (error instanceof HoldfastError) {
      error.retryAfterMs?.toFixed();
      if (error.kind === "request") error.status.toFixed();
      // @ts-expect-error no answer, no status
      if (error.kind === "network") error.status.toFixed();
      byKind(error);
    }
    // @ts-expect-error kinds of errors are made by the client
    new HoldfastError({ code: "x" });
  }
}

export const stop = client.subscribe((snapshot) => {
  if (snapshot.phase === "session-refused") snapshot.error?.code.length;
  // @ts-expect-error snapshots do not change
  snapshot.phase = "ready";
});

const cached = () => new QueryClient().getQueryData(instagramStatusOptions(client).queryKey);

/** The snapshot of the client, and that of the hook, are discriminated by `phase`. */
export function byPhase(snapshot: HoldfastSnapshot, instagram: Instagram) {
  if (snapshot.phase === "ready") byState(snapshot.status);
  if (snapshot.phase === "failed") byKind(snapshot.error);
  if (snapshot.phase === "session-refused") byKind(snapshot.error);
  // @ts-expect-error nothing is known yet
  if (snapshot.phase === "loading") byState(snapshot.status);
  if (instagram.phase === "ready") byState(instagram.status);
  if (!instagram.isLoading && instagram.phase === "failed") byKind(instagram.error);
  assertType<Equal<HoldfastSnapshot["live"], "stream" | "poll" | false>>();
}

export async function ownWrapper() {
  const request = authorizedFetch({
    baseUrl: "https://api.example.com",
    getToken: async () => null,
  });
  (await request("/things", { method: "POST" })).status satisfies number;
  (await connectInPopup(client)).attempt_id satisfies string;
  // @ts-expect-error there is nobody to ask for a token
  authorizedFetch({ baseUrl: "https://api.example.com" });
}

export function Component() {
  const instagram = useInstagram();
  const { status, isLoading, isRefetching, error, connect, reconnect, disconnect, check, refetch } =
    instagram;
  [isLoading, isRefetching] satisfies boolean[];
  if (error) describeError(error);
  const { press, label, sentence } = describe({ phase: "ready", status, error });
  if (press) instagram[press]() satisfies Promise<unknown>;
  if (label) instagram[press]() satisfies Promise<unknown>;
  [label, sentence] satisfies (string | undefined)[];
  for (const handler of [connect, reconnect, disconnect, check, refetch]) void handler();
  const query = useQuery(instagramStatusOptions(client));
  query.data satisfies InstagramStatus | undefined;
  new QueryClient().getQueryData(instagramStatusKey(client)) satisfies InstagramStatus | undefined;
  assertType<Equal<ReturnType<typeof cached>, InstagramStatus | undefined>>();
  const swr = useSWR(...instagramStatusSwr(client));
  swr.data satisfies InstagramStatus | undefined;
  const { mutate } = useSWRConfig();
  feedSwr(client, mutate);
  feedQueryClient(client, new QueryClient());
  return InstagramConnection({ headingLevel: 3 });
}

declare function useAuth(): {
  isLoaded: boolean;
  isSignedIn: boolean | undefined;
  sessionId: string | null | undefined;
  userId: string | null | undefined;
  getToken: (options?: { template?: string; skipCache?: boolean }) => Promise<string | null>;
};
HoldfastProvider({ baseUrl: "https://api.example.com", useAuth });
HoldfastProvider({ client, locale: { ...de, labels: { ...de.labels, disconnect: "Lösen" } } });
HoldfastProvider({ baseUrl: "/holdfast", useAuth, onReturn: closePopup });
InstagramConnection({ locale: en });

/**
 * `undefined` for what is not known yet, also where `exactOptionalPropertyTypes` tells it from "not
 * given".
 */
export function undecided(isGerman: boolean, returnTo?: string, sessionId?: string) {
  const locale = isGerman ? de : undefined;
  HoldfastProvider({
    baseUrl: "/holdfast",
    useAuth,
    locale,
    onReturn: isGerman ? closePopup : undefined,
    fetch: isGerman ? fetch : undefined,
    navigate: undefined,
  });
  InstagramConnection({ locale, headingLevel: undefined, className: returnTo });
  describe({ phase: "loading", status: null, error: null, isStale: undefined }, locale);
  createHoldfastClient({
    baseUrl: "/holdfast",
    getToken: async () => null,
    getSessionId: isGerman ? () => sessionId : undefined,
    clock: undefined,
  });
  void client.connect({ returnTo, expect: undefined, forceReauth: undefined, navigate: undefined });
  void client.history({ cursor: returnTo });
  new HoldfastNetworkError({ code: "x", message: returnTo, retryAfterMs: undefined });
}
declare const getInitialUrl: () => Promise<string | null>; // React Native's
getInitialUrl().then(client.completeFromUrl);
// @ts-expect-error neither a client nor a way to get tokens
HoldfastProvider({ baseUrl: "https://api.example.com" });

const fake = createFakeClient(fakeStatus("degraded", { reason: "rate_limited" }));
fake.calls[0]?.name satisfies string | undefined;
// @ts-expect-error not a reason of this state
fakeStatus("degraded", { reason: "revoked" });

assertType<
  Equal<
    keyof typeof en.states,
    InstagramStatus["state"] | Exclude<HoldfastPhase, "ready"> | "completing"
  >
>();
