/** SWR (v2): `useSWR(...instagramStatusSwr(client))`, and a way to feed its cache with live updates. */

export const instagramStatusKey = "holdfast/instagram/status";

/** @type {import("./swr.d.ts").instagramStatusSwr} */
export const instagramStatusSwr = (client) => [
  instagramStatusKey,
  () => client.status(),
  {
    // The client itself retries what makes sense, and a refused session must not be asked about again.
    shouldRetryOnError: (error) => error.kind === "network",
    errorRetryCount: 2,
  },
];

/** @type {import("./swr.d.ts").feedSwr} */
export const feedSwr = (client, mutate) =>
  client.subscribe(({ status }) => {
    // Null clears: another person's status must not linger.
    mutate(instagramStatusKey, status ?? undefined, { revalidate: false });
  });
