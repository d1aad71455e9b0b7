/**
 * Every way in which a server, a proxy, a sign-in library or a page can misbehave, and what an open
 * page may send meanwhile.
 */
import assert from "node:assert/strict";
import { openPage, setUp } from "./harness.js";
import { connected, faults, notConnected, problem } from "./scripted-server.js";

const EVENTS = "GET /user/events";
const STATUS = "GET /user/instagram/status";
const STEP = 100;

/** Everything answers so. */
const always =
  (handler) =>
  ({ server }) =>
    (server.state.answer = handler);
const withStatus = (status, headers) =>
  always((request, response) => problem(response, status, "x", { headers, source: "request" }));
const bare = (status, type, body) =>
  always((request, response) => {
    response.writeHead(status, { "content-type": type });
    response.end(body);
  });
/** The state can be read; it is the stream that misbehaves. */
const stream =
  (handler) =>
  ({ server }) =>
    server.script(EVENTS, handler);
const opened = (response, text) => {
  response.writeHead(200, { "content-type": "text/event-stream", "x-stream": "" });
  response.flushHeaders();
  if (text) response.write(text);
};
const notice = (status) =>
  `event: instagram.status\ndata: ${typeof status === "string" ? status : JSON.stringify(status)}\n\n`;

export const storms = {
  "401, a fresh token is refused too": { set: always(faults[401]), most: 2 },
  "401 that no fresh token mends": {
    set: always((request, response) => problem(response, 401, "token-invalid-authorized-parties")),
    most: 1,
  },
  "401 of a proxy, in HTML": { set: always(faults.basic), most: 2 },
  "401 without a word": { set: bare(401, "text/plain", ""), most: 2 },
  ...Object.fromEntries(
    [400, 403, 404, 405, 409, 410, 413, 415, 422, 424, 429, 500, 501, 502, 503, 504].map(
      (status) => [String(status), { set: withStatus(status) }],
    ),
  ),
  "429, Retry-After 30": { set: withStatus(429, { "retry-after": "30" }) },
  "503, Retry-After 1": { set: withStatus(503, { "retry-after": "1" }) },
  "502 of a proxy, in HTML": { set: bare(502, "text/html", "<h1>Bad gateway</h1>") },
  "200 in HTML": { set: always(faults.html) },
  "200 and half a document": { set: always(faults.truncated) },
  "200 and nothing": { set: bare(200, "application/json", "") },
  "200 and null": { set: bare(200, "application/json", "null") },
  "200 and something else": { set: bare(200, "application/json", '{"ok":true}') },
  "a redirect": {
    set: always((request, response) => {
      response.writeHead(302, { location: "/elsewhere" });
      response.end();
    }),
  },
  "no answer": { set: always(faults.hang) },
  "a reset": { set: always(faults.reset) },
  "a stream that is not there": {
    set: stream((request, response) => problem(response, 404, "not-found")),
    isReadable: true,
  },
  "a stream without a byte": {
    set: stream((request, response) => opened(response)),
    isReadable: true,
  },
  "a stream without a byte, cut every 10 s": {
    set: stream((request, response) => opened(response)),
    each: ({ server, ms }) => ms % 10_000 === 0 && server.endOpen(),
    isReadable: true,
  },
  "a stream that speaks once, cut every 10 s": {
    set: stream((request, response) => opened(response, notice(connected))),
    each: ({ server, ms }) => ms % 10_000 === 0 && server.endOpen(),
    isReadable: true,
  },
  "a stream that ends at once": {
    set: stream((request, response) => {
      opened(response);
      response.end();
    }),
    isReadable: true,
  },
  "a stream of one endless line": {
    set: stream((request, response) => opened(response, "x".repeat(100_000))),
    isReadable: true,
  },
  "notices that cannot be read, ten a second": {
    each: ({ server }) => server.write(notice("{")),
    isReadable: true,
  },
  "notices of an older version, ten a second": {
    set: ({ server }) => (server.state.status = { ...connected, version: 9 }),
    each: ({ server }) => server.write(notice({ ...notConnected, version: 3 })),
    isReadable: true,
  },
  "503, and a page that is hidden and seen, offline and online all the time": {
    set: withStatus(503),
    each: ({ tell }) => ["visibilitychange", "online", "pageshow"].forEach(tell),
  },
  "a sign-in library that hangs": {
    set: ({ signIn }) => (signIn.getToken = () => new Promise(() => {})),
    most: 0,
  },
  "a sign-in library that throws": {
    set: ({ signIn }) => (signIn.getToken = () => Promise.reject(new Error("x"))),
    most: 0,
  },
  "a sign-in library that says null for a session that is there": {
    set: ({ signIn }) => (signIn.getToken = async () => null),
    options: { getSessionId: () => "sess_1" },
    most: 0,
  },
  "nobody signed in": { set: ({ signIn }) => signIn.become(null, null), most: 0 },
};

/**
 * Two minutes of one of them, and that all is well again when it is over.
 * @param {{ after(work: () => unknown): void }} t
 * @param {string} name
 * @param {import("./harness.js").Time} [time] simulated if not given
 * @returns {Promise<number[]>} the requests of each minute
 */
export async function runStorm(t, name, time) {
  const { set, each, most, isReadable, options } = storms[name];
  const { tell } = openPage(t);
  const getToken = (options) => app.signIn.getToken(options);
  const app = await setUp(t, { getToken, ...options }, time);
  const { server, signIn, client } = app;
  const wellBehaved = signIn.getToken;
  set?.(app);
  const minutes = [];
  client.subscribe(() => {});
  for (let minute = 0; minute < 2; minute += 1) {
    const before = server.requests.length;
    for (let ms = 0; ms < 60_000; ms += STEP) {
      each?.({ ...app, tell, ms });
      await app.time.advance(STEP);
    }
    minutes.push(server.requests.length - before);
  }
  if (most === undefined) {
    assert.ok(minutes[0] <= 8 && minutes[1] <= 2, `${minutes} requests: ${server.routes()}`);
    assert.ok(minutes[0] + minutes[1] >= 2, "it does keep trying");
  } else assert.ok(minutes[0] + minutes[1] <= most, `${minutes} requests`);
  assert.ok(signIn.mints() <= 1);
  assert.equal(client.getSnapshot().phase === "ready", !!isReadable, client.getSnapshot().phase);
  if (name !== "nobody signed in") assert.notEqual(client.getSnapshot().phase, "signed-out");
  if (isReadable) assert.ok(server.routes().includes(STATUS));

  // All is well again: a refused session needs a press, everything else mends itself.
  server.state.answer = null;
  server.script(EVENTS);
  signIn.getToken = wellBehaved;
  signIn.become("user_1", "sess_1");
  if (client.getSnapshot().phase === "session-refused") await client.retry();
  await app.time.advance(95_000);
  assert.equal(client.getSnapshot().phase, "ready");
  assert.equal(client.getSnapshot().error, null);
  return minutes;
}
