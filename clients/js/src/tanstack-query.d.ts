import type { AnyHoldfastError, HoldfastClient, InstagramStatus } from "./holdfast-client.js";

export const instagramStatusKey: readonly ["holdfast", "instagram", "status"];

/** `useQuery(instagramStatusOptions(client))` */
export function instagramStatusOptions(client: HoldfastClient): {
  queryKey: readonly ["holdfast", "instagram", "status"];
  queryFn: () => Promise<InstagramStatus>;
  retry: (failures: number, error: AnyHoldfastError) => boolean;
  staleTime: number;
};

/** Writes live updates into the cache until the returned function is called. */
export function feedQueryClient(
  client: HoldfastClient,
  queryClient: {
    setQueryData(key: readonly ["holdfast", "instagram", "status"], status: InstagramStatus): unknown;
    resetQueries(filter: { queryKey: readonly ["holdfast", "instagram", "status"] }): unknown;
  },
): () => void;
