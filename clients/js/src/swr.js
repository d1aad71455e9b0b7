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
export function feedSwr(client, mutate) {
  let fed = client.getSnapshot().status;
  return client.subscribe(({ status }) => {
    // Only what is new: writing also clears the error beside it, and makes SWR drop the read that is under way.
    if (status === fed) return;
    fed = status;
    // Null clears: another person's status must not linger.
    mutate(instagramStatusKey, status ?? undefined, { revalidate: false });
  });
}
