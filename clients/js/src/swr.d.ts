import type { AnyHoldfastError, HoldfastClient, InstagramStatus } from "./holdfast-client.js";

export const instagramStatusKey: "holdfast/instagram/status";

/** Arguments of `useSWR`: key, fetcher, configuration. */
export function instagramStatusSwr(client: HoldfastClient): [
  key: "holdfast/instagram/status",
  fetcher: () => Promise<InstagramStatus>,
  configuration: { shouldRetryOnError: (error: AnyHoldfastError) => boolean; errorRetryCount: number },
];

/** Writes live updates into the cache (`mutate` of `useSWRConfig`) until the returned function is called. */
export function feedSwr(
  client: HoldfastClient,
  mutate: (
    key: "holdfast/instagram/status",
    status: InstagramStatus | undefined,
    options: { revalidate: false },
  ) => unknown,
): () => void;
