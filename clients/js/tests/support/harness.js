/**
 * A client on a scripted server, under simulated time, signed in with tokens that a test controls.
 */
import { createHoldfastClient } from "../../src/holdfast-client.js";
import { startScriptedServer } from "./scripted-server.js";
import { createSimulatedClock } from "./simulated-clock.js";

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Shaped like a session token; nobody here verifies signatures. */
export const makeToken = ({ sub = "user_1", sid = "sess_1", n = 1, exp } = {}) =>
  `${base64url({ alg: "RS256" })}.${base64url({ sub, sid, jti: String(n), exp })}.sig`;

/**
 * A sign-in library whose person changes with every so many tokens, and how many were asked for.
 */
export const alternating = (uses) => {
  const people = { asked: 0 };
  people.getToken = async () => {
    people.asked += 1;
    if (people.asked > 200) throw new Error("a loop"); // of promises alone, which let no timer run
    const who = Math.floor(people.asked / uses) % 2;
    return makeToken({ sub: `user_${who}`, sid: `sess_${who}`, n: people.asked });
  };
  return people;
};

/** Like Clerk's: the same token until `skipCache` mints another. */
export function createSignIn() {
  const signIn = {
    sub: "user_1",
    sid: "sess_1",
    minted: 1,
    calls: [],
    /** Replaces what `skipCache` does. */
    onMint: null,
    async getToken(options) {
      signIn.calls.push(options?.skipCache ? "mint" : "cached");
      if (!signIn.sub) return null;
      if (options?.skipCache) {
        if (signIn.onMint) return signIn.onMint();
        signIn.minted += 1;
      }
      return signIn.token();
    },
    token: () => makeToken({ sub: signIn.sub, sid: signIn.sid, n: signIn.minted }),
    mints: () => signIn.calls.filter((call) => call === "mint").length,
    become(sub, sid) {
      signIn.sub = sub;
      signIn.sid = sid;
    },
  };
  return signIn;
}

const BODYLESS = [204, 304];
const turn = () => new Promise((resolve) => setImmediate(resolve));
const NETWORK_DEADLINE_MS = 60_000;

/**
 * `fetch` that knows what is under way, and `settle`, which waits until everything sent has been
 * taken in.
 */
function createTrackedNetwork(server) {
  const inFlight = new Set();
  const streams = new Map();

  async function exchange(url, init) {
    const response = await fetch(url, init);
    const id = response.headers.get("x-stream");
    if (!id && response.headers.get("content-type") === "text/event-stream") return response;
    if (!id) {
      const body = BODYLESS.includes(response.status) ? null : await response.arrayBuffer();
      return new Response(body, response);
    }
    const taken = { bytes: 0, hasEnded: false };
    streams.set(id, taken);
    init.signal.addEventListener("abort", () => streams.delete(id));
    const count = new TransformStream({
      transform(chunk, controller) {
        taken.bytes += chunk.length;
        controller.enqueue(chunk);
      },
      flush: () => void (taken.hasEnded = true),
    });
    return new Response(response.body.pipeThrough(count), response);
  }

  const isQuiet = () =>
    inFlight.size === server.unanswered() &&
    [...streams].every(([id, { bytes, hasEnded }]) => {
      const sent = server.streamed.get(id);
      return sent.bytes === bytes && sent.hasEnded === hasEnded;
    });

  return {
    fetch(url, init) {
      const answer = exchange(url, init);
      inFlight.add(answer);
      const done = () => inFlight.delete(answer);
      answer.then(done, done);
      return answer;
    },
    async settle() {
      const deadline = Date.now() + NETWORK_DEADLINE_MS;
      for (let quietTurns = 0; quietTurns < 4; quietTurns = isQuiet() ? quietTurns + 1 : 0) {
        if (Date.now() > deadline) throw new Error("the network does not come to rest");
        await turn();
      }
    },
  };
}

/** A page's events, as far as the client listens to them, and whether it is hidden. */
export function openPage(t) {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  globalThis.document = { hidden: false };
  t.after(() => {
    for (const name of ["addEventListener", "removeEventListener", "document"])
      delete globalThis[name];
  });
  const tell = (type) => void target.dispatchEvent(new Event(type));
  return {
    tell,
    show(isShown) {
      globalThis.document.hidden = !isShown;
      tell("visibilitychange");
    },
  };
}

/** Puts something into the page for as long as a test lasts. */
export function install(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, value });
  t.after(() =>
    before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name],
  );
}

/**
 * What browsers do where cookies and with them all storage are blocked, by settings or in a
 * frame: Firefox refuses channels between tabs as well as locks, Chromium locks alone.
 */
export function forbidStorage(t, { hasChannels = false } = {}) {
  const refuse = () => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  };
  install(
    t,
    "BroadcastChannel",
    class {
      constructor() {
        if (!hasChannels) refuse();
      }
      postMessage() {}
      close() {}
    },
  );
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get: refuse });
  t.after(() => delete globalThis.sessionStorage);
  install(t, "navigator", { locks: { request: async () => refuse() } });
}

/**
 * How time passes: `clock` is the client's, `advance` returns when so many milliseconds have
 * passed.
 * @typedef {{
 *   clock: import("../../src/holdfast-client.js").Clock,
 *   advance(ms: number): Promise<void>,
 * }} Time
 */

/**
 * @param {import("node:test").TestContext} t
 * @param {object} [options] of the client
 * @param {Time} [realTime] instead of the simulated one, in which jitter is the same in each run
 */
export async function setUp(t, options = {}, realTime) {
  const server = await startScriptedServer();
  const network = createTrackedNetwork(server);
  const time = realTime ?? createSimulatedClock(network.settle);
  const signIn = createSignIn();
  const departures = [];
  if (!realTime) t.mock.method(Math, "random", () => 0.5);
  /** The page is loaded anew: what it knew is gone. Or a second client of the same page. */
  const reload = (others) =>
    createHoldfastClient({
      baseUrl: server.url,
      getToken: signIn.getToken,
      fetch: network.fetch,
      clock: time.clock,
      navigate: (url) => departures.push(url),
      ...options,
      ...others,
    });
  const client = reload();
  const unhandled = [];
  const onUnhandled = (error) => unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  t.after(async () => {
    await server.close();
    process.off("unhandledRejection", onUnhandled);
    if (unhandled.length) throw new Error(`unhandled rejection: ${unhandled[0]}`);
  });
  return { server, time, signIn, client, reload, departures, fetch: network.fetch };
}

/** Runs an operation that must fail and gives its error. */
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("should have failed");
}
