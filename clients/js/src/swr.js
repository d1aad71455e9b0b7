/**
 * SWR (v2): `useSWR(...instagramStatusSwr(client))`, and a way to feed its cache with live updates.
 */
import { isFor, mayPass, readerFor } from "./core/keyed.js";

const NAME = "holdfast/instagram/status";

/** @type {typeof import("./swr.d.ts").instagramStatusKey} */
export const instagramStatusKey = (client, sessionId) => [
  NAME,
  sessionId ?? client.getSessionKey(),
];

/** @type {typeof import("./swr.d.ts").instagramStatusSwr} */
export const instagramStatusSwr = (client, sessionId) => [
  instagramStatusKey(client, sessionId),
  readerFor(client, sessionId),
  {
    // The client itself retries what makes sense, and a refused session must not be asked about
    // again.
    shouldRetryOnError: mayPass,
    errorRetryCount: 2,
  },
];

/** @type {typeof import("./swr.d.ts").feedSwr} */
export function feedSwr(client, mutate, sessionId) {
  let fed = client.getSnapshot().status;
  let key = instagramStatusKey(client, sessionId);
  return client.subscribe(({ status }) => {
    // Only what is new: writing also clears the error beside it, and makes SWR drop the read that
    // is under way.
    if (status === fed) return;
    fed = status;
    if (status && !isFor(client, sessionId)) return;
    if (status) key = instagramStatusKey(client, sessionId);
    // Null clears what was fed: another person's status must not linger.
    mutate(key, status ?? undefined, { revalidate: false });
  });
}
