/** `fetch` with the rule for 401, for those who keep a wrapper of their own. */
import { HoldfastError } from "./errors.js";
import { checkServer } from "./options.js";
import { createSession } from "./session.js";

/** @type {typeof import("../holdfast-client.d.ts").authorizedFetch} */
export function authorizedFetch(options) {
  const base = checkServer(options);
  const {
    fetch: send = (...request) => fetch(...request),
    clock = { now: Date.now, setTimeout, clearTimeout },
  } = options;
  const session = createSession({ ...options, clock });
  /** The last answer that was a refusal: what is not sent any more is answered with it. */
  let refused = /** @type {Response | null} */ (null);

  return async (path, init) => {
    if (!path.startsWith("/")) throw new TypeError(`Holdfast: "${path}" is no path; it begins with a slash.`);
    try {
      const { response } = await session.authorize(async (token) => {
        const headers = new Headers(init?.headers);
        headers.set("authorization", `Bearer ${token}`);
        const epoch = session.epoch();
        const response = await send(base + path, { redirect: "error", ...init, headers });
        if (response.status !== 401) return { response, epoch, text: "" };
        refused = response.clone();
        return { response, epoch, text: await response.clone().text() };
      });
      return response;
    } catch (error) {
      if (error instanceof HoldfastError && error.status === 401 && refused) return refused.clone();
      throw error;
    }
  };
}
