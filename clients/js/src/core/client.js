/**
 * Ties the parts together: one client for one server and whoever is signed in.
 *
 * - It cannot loop: see `session.js`, `timing.js` and `transport.js`.
 * - It cannot sign anyone out: it knows no sign-out, and navigates to `authorize_url` alone.
 * - It throws typed errors only, and never leaves a rejection unhandled.
 */
import { createConnecting } from "./connecting.js";
import { asHoldfastError } from "./errors.js";
import { createLiveUpdates } from "./live.js";
import { checkOptions } from "./options.js";
import { createSession } from "./session.js";
import { createStatusReader } from "./status-reader.js";
import { createStore, INITIAL } from "./store.js";
import { realClock } from "./timing.js";
import { createTransport } from "./transport.js";

/**
 * Runs one operation. `about` says what a failure concerns: the state we show ("read"), what the person did ("action"), or
 * neither. The promise may be ignored, since the snapshot tells as well.
 * @typedef {<T>(about: "read" | "action" | null, work: () => Promise<T>) => Promise<T>} Operation
 */

/**
 * A request that changes the connection. `user`: on whose behalf; null for whoever is signed in, with the session proven
 * before; undefined for what a person has just pressed.
 * @typedef {(method: string, path: string, body?: unknown, user?: string | null) => Promise<any>} Write
 */

const noop = () => {};

/** @type {typeof import("../holdfast-client.d.ts").createHoldfastClient} */
export function createHoldfastClient(options) {
  const base = checkOptions(options);
  const {
    getToken,
    getSessionId,
    fetch: send = (...request) => fetch(...request),
    clock = realClock,
    random = Math.random,
    navigate = (url) => location.assign(url),
    onReturn,
  } = options;
  const store = createStore(clock);
  const session = createSession({
    getToken,
    getSessionId,
    clock,
    onChange,
    onRefused: () => live.stop(),
    probe: () => reader.read(),
  });
  const transport = createTransport({ base, fetch: send, session, clock });
  const reader = createStatusReader({ store, transport, operation });
  const shared = { base, store, session, transport, reader, operation, clock, random };
  const connecting = createConnecting({ ...shared, write, navigate, onReturn });
  const live = createLiveUpdates({ ...shared, onAway: connecting.release });

  /** What belonged to the person before is dropped, and what they had pressed is not done. */
  function onChange() {
    transport.forget();
    connecting.forget();
    reader.overtake();
    live.stop();
    store.reset();
    live.start();
  }

  /** @type {Operation} */
  function operation(about, work) {
    const promise = work()
      .catch((error) => {
        // Whoever it is now may ask; only what a person did is theirs alone.
        if (error.code === "session-changed" && about !== "action") return work();
        throw error;
      })
      .catch((cause) => {
        const error = asHoldfastError(cause);
        if (about || error.kind === "session")
          store.fail(error, about === "action", !!session.refusal());
        throw error;
      });
    promise.catch(noop);
    return promise;
  }

  /** @type {Write} */
  async function write(method, path, body, user) {
    try {
      return (await transport.call(method, path, { body, user, mayProve: user === undefined }))
        .value;
    } finally {
      reader.overtake(); // by this, however it ended
    }
  }

  /** @param {[method: string, path: string]} request */
  const ask = (...request) => operation(null, async () => (await transport.call(...request)).value);

  /**
   * Joins those who press while it is under way.
   * @template T
   * @param {() => Promise<T>} work
   */
  function once(work) {
    let running = /** @type {Promise<T> | null} */ (null);
    return () => (running ??= operation("action", () => work().finally(() => (running = null))));
  }

  return {
    sync: () => ask("POST", "/auth/sync"),
    profile: () => ask("GET", "/user/profile"),
    history: ({ cursor } = {}) =>
      ask(
        "GET",
        "/user/instagram/history" + (cursor ? `?before=${encodeURIComponent(cursor)}` : ""),
      ),
    status: reader.read,
    async retry() {
      session.pardon();
      connecting.resume();
      const status = await reader.read();
      live.start();
      return status;
    },
    check: once(async () => store.learn(await write("POST", "/user/instagram/check"))),
    connect: connecting.connect,
    completeFromUrl: connecting.completeFromUrl,
    disconnect: once(async () => {
      const receipt = await write("DELETE", "/user/instagram");
      await reader.read().catch(noop); // it is disconnected, whether or not that can be read now
      return receipt;
    }),
    sessionChanged: () => void (session.change() && connecting.resume()),
    subscribe(listener) {
      const remove = store.add(listener);
      // Put off by a moment, so that a double mount (React's StrictMode) neither starts nor stops anything twice.
      queueMicrotask(live.start);
      return () => {
        remove();
        queueMicrotask(() => store.hasListeners() || live.stop());
      };
    },
    getSnapshot: store.get,
    getServerSnapshot: () => INITIAL,
    getSessionKey: session.key,
  };
}
