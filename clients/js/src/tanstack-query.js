/** TanStack Query (v5): options for `useQuery` and a way to feed its cache with live updates. */
import { isFor, mayPass, readerFor } from "./core/keyed.js";

const NAME = /** @type {const} */ (["holdfast", "instagram", "status"]);

/** @type {typeof import("./tanstack-query.d.ts").instagramStatusKey} */
export const instagramStatusKey = (client, sessionId) =>
  /** @type {any} */ ([...NAME, sessionId ?? client.getSessionKey()]);

/**
 * The client already retries, waits and merges what makes sense; a second layer of retries would
 * multiply requests.
 * @type {typeof import("./tanstack-query.d.ts").instagramStatusOptions}
 */
export const instagramStatusOptions = (client, sessionId) => ({
  queryKey: instagramStatusKey(client, sessionId),
  queryFn: readerFor(client, sessionId),
  retry: (failures, error) => mayPass(error) && failures < 2,
  staleTime: 30_000,
});

/** @type {typeof import("./tanstack-query.d.ts").feedQueryClient} */
export function feedQueryClient(client, queryClient, sessionId) {
  let fed = client.getSnapshot().status;
  let key = instagramStatusKey(client, sessionId);
  return client.subscribe(({ status }) => {
    if (status === fed) return;
    fed = status;
    if (status) {
      if (!isFor(client, sessionId)) return;
      key = instagramStatusKey(client, sessionId);
      queryClient.setQueryData(key, status);
    } else {
      // Another person's status must not linger, in the cache or in a component that shows it. Not
      // `resetQueries`, which would read for this key again, now that another person is signed in.
      queryClient.getQueryCache().find({ queryKey: key })?.reset();
    }
  });
}
