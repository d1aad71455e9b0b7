/**
 * Ties the parts together: one client for one server and the person signed in.
 *
 * - It cannot loop: see `session.js`, `timing.js` and `transport.js`.
 * - It cannot sign anyone out: it knows no sign-out, and navigates to `authorize_url` alone.
 * - It throws typed errors only, and never leaves a rejection unhandled.
 */
import { createConnecting } from "./connecting.js";
import { asHoldfastError } from "./errors.js";
import { ONE_MORE_EVERY, ONE_MORE_WHILE_WELL, SHORTEST_PAUSE } from "./limits.js";
import { createLiveUpdates } from "./live.js";
import { checkServer } from "./options.js";
import { ignore, joined } from "./pending.js";
import { createSession } from "./session.js";
import { createStore, INITIAL } from "./store.js";
import { createAllowance, realClock } from "./timing.js";
import { createTransport } from "./transport.js";

/**
 * Runs one operation. `about` says what a failure concerns: the state we show ("read"), what the
 * person did ("action"), or neither. All but an action is repeated once for somebody who has signed
 * in meanwhile. The promise may be ignored, since the snapshot tells as well.
 * @typedef {<T>(about: "read" | "action" | null, work: () => Promise<T>) => Promise<T>} Operation
 */

/**
 * A request that changes the connection. `isFor`: on whose behalf, with the session proven before;
 * none for what a person has just pressed.
 * @typedef {(
 *   method: string,
 *   path: string,
 *   body?: unknown,
 *   isFor?: import("./session.js").IsFor,
 * ) => Promise<any>} Write
 */

/**
 * A request that changes nothing of what we show.
 * @typedef {(...request: Parameters<import("./transport.js").Transport>) => Promise<any>} Ask
 */

/** @type {typeof import("../holdfast-client.d.ts").createHoldfastClient} */
export function createHoldfastClient(options) {
  const base = checkServer(options);
  const { clock = realClock } = options;
  const session = createSession(
    options,
    clock,
    onChange,
    () => store.status(),
    () => connecting.resume(),
  );
  /** By path, the one way to ask; by method and path, what failed last. */
  const asked = /** @type {Map<string, () => any>} */ (new Map());
  const transport = createTransport(base, session, clock, asked, options.fetch);
  /**
   * Retries, polls, notices that cannot be used, tabs that come and go, and an app that reads in
   * vain draw on it.
   */
  const allowance = createAllowance(clock, ONE_MORE_EVERY);
  const onRecovery = () => connecting.wake(1);
  const store = createStore(clock, transport, operation, allowance, session, onRecovery);
  const connecting = createConnecting(
    options,
    base,
    clock,
    session,
    store,
    allowance,
    operation,
    write,
  );
  const live = createLiveUpdates(base, clock, session, store, allowance, ask);

  /** Nothing is known any more. */
  function drop() {
    // The next person gets back what a session that stood for a moment used for state and stream.
    const { updatedAt } = store.get();
    if (updatedAt && clock.now() - updatedAt >= SHORTEST_PAUSE) allowance.giveBack(2);
    store.overtake();
    store.set(INITIAL);
  }

  /** What belonged to the person before is dropped, and what they had pressed is not done. */
  function onChange() {
    asked.clear();
    drop(); // before anything is told
    live.stop();
    live.follow();
    connecting.restart();
  }

  /** @type {Operation} */
  function operation(about, work) {
    const promise = work()
      .catch((error) => {
        if (error.code !== "session-changed" || about === "action") throw error;
        return work(); // the new person may ask; only what a person did is theirs alone
      })
      .catch((cause) => {
        const error = asHoldfastError(cause);
        // The next person is not told how that ended which another one did.
        if (about ? error.code !== "session-changed" : error.kind === "session")
          store.fail(error, about === "action", session.refusal());
        throw error;
      });
    promise.then(live.follow, live.follow); // the session may be refused now, or forgiven
    return promise;
  }

  /** @param {Parameters<typeof transport>} request */
  const send = async (...request) => (await transport(...request)).value;

  /** @type {Write} */
  function write(method, path, body, isFor) {
    const options = { body, isFor, mayProve: !isFor };
    return send(method, path, options).finally(store.overtake); // however it ended
  }

  /** @type {Ask} */
  function ask(...request) {
    return operation(null, () => send(...request));
  }

  /**
   * What a person presses: a second click joins the first.
   * @template T
   * @param {() => Promise<T>} work
   */
  function press(work) {
    const once = joined(work, session.present);
    return () => operation("action", once);
  }

  /**
   * What an app may ask again whenever it is told something: where it did so too often it gets the
   * last answer, be it a failure.
   * @param {string} method
   * @param {string} path
   */
  function question(method, path) {
    session.present();
    let asks = asked.get(path);
    if (!asks) {
      const whileFailing = createAllowance(clock, ONE_MORE_EVERY);
      const whileWell = createAllowance(clock, ONE_MORE_WHILE_WELL);
      let budget = whileFailing;
      let latest = /** @type {Promise<any> | null} */ (null);
      asks = () => {
        if (budget.take() && latest) return latest;
        budget = whileFailing;
        latest = ask(method, path);
        latest.then(() => (budget = whileWell), ignore);
        return latest;
      };
      asked.set(path, asks);
    }
    return asks();
  }

  return {
    sync: () => question("POST", "/auth/sync"),
    profile: () => question("GET", "/user/profile"),
    history: ({ cursor } = {}) =>
      question(
        "GET",
        "/user/instagram/history" + (cursor ? `?before=${encodeURIComponent(cursor)}` : ""),
      ),
    status: store.status,
    retry() {
      session.pardon();
      asked.clear(); // what has failed may be asked again at once
      connecting.resume();
      connecting.wake(0);
      const status = store.read();
      status.then(live.wake, ignore);
      return status;
    },
    check: press(async () => store.learn(await write("POST", "/user/instagram/check"))),
    connect: connecting.connect,
    completeFromUrl: connecting.completeFromUrl,
    disconnect: press(async () => {
      const receipt = await write("DELETE", "/user/instagram");
      await store.read().catch(ignore); // it is disconnected, whether or not that can be read now
      return receipt;
    }),
    sessionChanged: session.change,
    showError: (error) => store.fail(error, true),
    subscribe(listener) {
      const remove = store.add(listener);
      // Put off by a moment, so that a double mount (React's StrictMode) neither starts nor stops
      // anything twice.
      queueMicrotask(live.follow);
      return () => {
        remove();
        queueMicrotask(() => {
          live.follow();
          // Without ids, nothing tells whether the next listener is the same person.
          if (!session.id() && !store.hasListeners() && !session.refusal()) drop();
        });
      };
    },
    getSnapshot: store.get,
    getServerSnapshot: () => INITIAL,
    getSessionKey: session.key,
  };
}
