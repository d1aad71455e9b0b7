import type { AnyHoldfastError, HoldfastClient, InstagramStatus } from "./holdfast-client.js";

export type InstagramStatusKey = [name: "holdfast/instagram/status", sessionId: string];

/** The key of the status in the cache: another for each session. */
export function instagramStatusKey(
  client: HoldfastClient,
  sessionId?: string | null,
): InstagramStatusKey;

/**
 * Arguments of `useSWR`: key, fetcher, configuration. Give the session's id (`useAuth().sessionId`)
 * where the client has no `getSessionId`: by it nobody sees what was another person's.
 */
export function instagramStatusSwr(
  client: HoldfastClient,
  sessionId?: string | null,
): [
  key: InstagramStatusKey,
  /** Rejects with `session-changed` where another person's status would be kept under the key. */
  fetcher: () => Promise<InstagramStatus>,
  configuration: {
    shouldRetryOnError: (error: AnyHoldfastError) => boolean;
    errorRetryCount: number;
  },
];

/**
 * Writes live updates into the cache (`mutate` of `useSWRConfig`) until the returned function is
 * called.
 */
export function feedSwr(
  client: HoldfastClient,
  mutate: (
    key: InstagramStatusKey,
    status: InstagramStatus | undefined,
    options: { revalidate: false },
  ) => unknown,
  sessionId?: string | null,
): () => void;
