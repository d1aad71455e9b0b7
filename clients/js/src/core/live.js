/**
 * Live updates while somebody listens: a stream where one can be had, else polling. Nothing that changes is missed, and
 * nothing is asked for more often than the allowance lets it.
 */
import { asHoldfastError, unreadableAnswer } from "./errors.js";
import { eventsIn } from "./event-stream.js";
import { valueIn } from "./problem.js";
import { createTabs } from "./tabs.js";
import { backoff, createAllowance, LONGEST_PAUSE, within } from "./timing.js";

const POLL_EVERY = 30_000;
const POLL_EVERY_HIDDEN = 300_000;
/** A tab that is only looked away from for a moment keeps its stream; one that cannot share it gives it up at once. */
const HIDDEN_GRACE = 30_000;
/** The server speaks at once. What has delivered nothing by then is no stream, whatever its headers say. */
const FIRST_BYTES = 10_000;
/** Silence after which a stream counts as dead; the server's heartbeat comes every 15 s. */
const SILENCE = 45_000;
/** A stream that ends sooner may have been cut by a proxy; twice in a row, and there is polling for a while. */
const STREAM_MIN_LIFE = 15_000;
const STREAM_TRIALS = 2;
const POLLS_PER_STREAM_TRIAL = 10;

const PAGE_EVENTS = ["visibilitychange", "online", "pageshow", "pagehide"];

const noop = () => {};

/**
 * @param {object} parts
 * @param {string} parts.base
 * @param {import("./store.js").Store} parts.store
 * @param {import("./session.js").Session} parts.session
 * @param {import("./transport.js").Transport} parts.transport
 * @param {import("./status-reader.js").StatusReader} parts.reader
 * @param {import("./client.js").Operation} parts.operation
 * @param {import("../holdfast-client.d.ts").Clock} parts.clock
 * @param {() => number} parts.random
 * @param {() => void} parts.onAway the page is put away
 */
export function createLiveUpdates({
  base,
  store,
  session,
  transport,
  reader,
  operation,
  clock,
  random,
  onAway,
}) {
  const allowance = createAllowance(clock);
  const tabs = createTabs(base, session.identity, reader.hear);

  /** Identity of the running loop; null while nothing runs. */
  let turn = /** @type {object | null} */ (null);
  /** Is the page put away, perhaps to be thawed by the back button? */
  let isAway = false;
  /** What is known may be out of date, and no stream is about to say so. */
  let mustRead = true;
  let streamFailures = 0;
  let polls = 0;
  let abort = new AbortController();
  /** Ends the pause of the loop. */
  let wake = noop;
  let hideTimer = /** @type {unknown} */ (undefined);

  const isHidden = () => isAway || !!globalThis.document?.hidden;

  const wantsStream = () =>
    !isHidden() && (streamFailures < STREAM_TRIALS || polls >= POLLS_PER_STREAM_TRIAL);

  /** @param {import("../holdfast-client.d.ts").HoldfastSnapshot["live"]} live */
  const setLive = (live) => store.get().live === live || store.set({ live });

  // --- The loop ------------------------------------------------------------------------------

  /** @param {number} ms until the loop goes on, unless it is woken */
  async function pause(ms) {
    await new Promise((resolve) => {
      const timer = clock.setTimeout(() => resolve(0), ms);
      wake = () => {
        clock.clearTimeout(timer);
        resolve(0);
      };
    });
    wake = noop;
  }

  /** Reads where that is needed, then listens for as long as there is a stream. Returns how long to pause. */
  async function round(/** @type {object} */ mine) {
    if (mustRead || !wantsStream()) {
      const wait = allowance.take();
      if (wait) return wait;
      await reader.read();
      if (mine !== turn) return 0;
      mustRead = false;
    }
    if (wantsStream()) {
      const wait = allowance.take();
      if (wait) return wait;
      mustRead = true;
      await listen();
      // The next stream begins with the state as it is, so that nothing falls between the two.
      return isHidden() ? POLL_EVERY_HIDDEN : backoff(0, random);
    }
    mustRead = true;
    if (isHidden()) return POLL_EVERY_HIDDEN;
    polls += 1;
    return POLL_EVERY;
  }

  /** @param {object} mine */
  async function run(mine) {
    for (let failures = 0; mine === turn;) {
      let ms;
      try {
        ms = await round(mine);
        failures = 0;
      } catch (cause) {
        if (mine !== turn) return;
        const error = asHoldfastError(cause);
        if (session.refusal()) return stop();
        if (error.code === "signed-out") allowance.giveBack(); // nothing was sent
        // A 403 can end by itself (a pending session becomes active), but not soon.
        const shortest = error.status === 403 ? LONGEST_PAUSE : (error.retryAfterMs ?? 0);
        ms = Math.max(shortest, backoff(failures, random));
        failures += 1;
      }
      if (mine !== turn) return;
      if (mustRead || isHidden()) setLive("poll");
      await pause(ms);
    }
  }

  // --- The stream ----------------------------------------------------------------------------

  /** Waits for this tab's turn to hold the stream, and holds it until it ends; polls again where that takes long. */
  async function listen() {
    const { signal } = (abort = new AbortController());
    polls = 0;
    setLive(store.get().live || "poll");
    let isHeld = false;
    const timer = clock.setTimeout(() => isHeld || abort.abort(), POLL_EVERY);
    try {
      await tabs.lead(signal, () => {
        isHeld = true;
        return hold(signal);
      });
    } catch (error) {
      if (signal.aborted) return; // it was we who ended it
      streamFailures += 1;
      throw error;
    } finally {
      clock.clearTimeout(timer);
      abort.abort();
      if (!isHeld) allowance.giveBack(); // nothing was sent
    }
  }

  /** @param {AbortSignal} signal */
  async function hold(signal) {
    const began = clock.now();
    let isLive = false;
    let isDoubtful = false;
    const { response } = await operation(null, () =>
      transport.call("GET", "/user/events", {
        isStream: true,
        signal,
        headers: { accept: "text/event-stream" },
      }),
    );
    const { body, headers } = response;
    if (!body || !/event-stream/.test(headers.get("content-type") ?? "")) throw unreadableAnswer();
    const limit = (/** @type {() => Promise<any>} */ read) =>
      within(clock, isLive ? SILENCE : FIRST_BYTES, read, "stream");
    for await (const events of eventsIn(body, limit)) {
      if (signal.aborted) break;
      isLive = true;
      setLive("stream");
      for (const { event, data } of events) {
        const status = valueIn(data);
        if (event !== "instagram.status") continue;
        if (reader.hear(status)) tabs.tell(status);
        else {
          // It still says that something happened: ask, if there is an allowance for that.
          isDoubtful = true;
          if (!allowance.take()) reader.read();
        }
      }
    }
    if (!isLive) throw unreadableAnswer(); // it ended and had said nothing
    mustRead = isDoubtful;
    const hasLived = clock.now() - began >= STREAM_MIN_LIFE;
    streamFailures = hasLived ? 0 : streamFailures + 1;
    if (hasLived && !isDoubtful) allowance.restore();
  }

  // --- The page ------------------------------------------------------------------------------

  /** @param {{ type: string }} event */
  function onPageEvent({ type }) {
    clock.clearTimeout(hideTimer);
    isAway = type === "pagehide";
    if (isAway) {
      abort.abort();
      tabs.close();
      onAway();
    } else if (isHidden()) {
      hideTimer = clock.setTimeout(() => abort.abort(), tabs.areShared ? HIDDEN_GRACE : 0);
    } else {
      // The machine has slept, or changed networks: the stream may be dead without a word.
      if (type === "online") abort.abort();
      tabs.open();
      wake();
    }
  }

  /** @param {"addEventListener" | "removeEventListener"} verb */
  function attach(verb) {
    // "visibilitychange" bubbles up from the document.
    for (const type of PAGE_EVENTS) globalThis[verb]?.(type, onPageEvent);
  }

  /** Does nothing while it runs, while nobody listens, or while the session is refused. */
  function start() {
    if (turn || session.refusal() || !store.hasListeners()) return;
    mustRead = true;
    attach("addEventListener");
    tabs.open();
    run((turn = {}));
  }

  function stop() {
    if (!turn) return;
    turn = null;
    attach("removeEventListener");
    clock.clearTimeout(hideTimer);
    abort.abort();
    tabs.close();
    wake();
    setLive(false);
  }

  return { start, stop };
}
