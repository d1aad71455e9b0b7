import type { DataTag } from "@tanstack/react-query";
import type { AnyHoldfastError, HoldfastClient, InstagramStatus } from "./holdfast-client.js";

/** Tagged, so that `queryClient.getQueryData(instagramStatusKey(client))` knows what it returns. */
export type InstagramStatusKey = DataTag<
  readonly ["holdfast", "instagram", "status", sessionId: string],
  InstagramStatus,
  AnyHoldfastError
>;

/** The key of the status in the cache: another for each session. */
export function instagramStatusKey(
  client: HoldfastClient,
  sessionId?: string | null,
): InstagramStatusKey;

/**
 * `useQuery(instagramStatusOptions(client))`. Give the session's id (`useAuth().sessionId`) where
 * the client has no `getSessionId`: by it nobody sees what was another person's.
 */
export function instagramStatusOptions(
  client: HoldfastClient,
  sessionId?: string | null,
): {
  queryKey: InstagramStatusKey;
  /** Rejects with `session-changed` where another person's status would be kept under the key. */
  queryFn: (context?: { signal?: AbortSignal }) => Promise<InstagramStatus>;
  retry: (failures: number, error: AnyHoldfastError) => boolean;
  staleTime: number;
};

interface Resettable {
  reset(): void;
}

/** Writes live updates into the cache until the returned function is called. */
export function feedQueryClient(
  client: HoldfastClient,
  queryClient: {
    setQueryData(key: InstagramStatusKey, status: InstagramStatus): unknown;
    getQueryCache(): { find(filter: { queryKey: InstagramStatusKey }): Resettable | undefined };
  },
  sessionId?: string | null,
): () => void;
