/**
 * An authorization code that nobody has redeemed is good for an hour: no log of a proxy may hold
 * one.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectPlain, createServer } from "node:net";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { logsOf, startCaddyFront, startNginxFront } from "./support/fronts.js";
import { endAll, freePort } from "./support/processes.js";
import { startCaddy, startEnvoy, startHaproxy, startTraefik } from "./support/proxies.js";

const [CODE, STATE] = ["AQUNSPENTCODE", "AQATTEMPTSSTATE"];
const CALLBACK = `/instagram/callback?code=${CODE}&state=${STATE}`;
/** What is behind the proxies does with a callback. */
const CASES = {
  "is away": null,
  hangs: () => {},
  "ends without an answer": (socket) => socket.end(),
  "resets the connection": (socket) => socket.resetAndDestroy(),
  "answers with something else": (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"),
  "cuts its answer": (socket) => socket.end("HTTP/1.1 303 See Other\r\nContent-Length: 9\r\n\r\nx"),
};
let ports, fronts, doors;

before(async () => {
  ports = [await freePort(), await freePort()];
  fronts = await Promise.all([startNginxFront(ports), startCaddyFront(ports)]);
  const judging = [startCaddy, startHaproxy, startEnvoy, startTraefik];
  doors = [...fronts, ...(await Promise.all(judging.map((each) => each(...ports))))];
});

after(endAll);

/** The status of the answer to those bytes; NaN where none came. */
function exchange(door, bytes) {
  return new Promise((resolve) => {
    let answer = "";
    const options = { port: door.port, host: "127.0.0.1", rejectUnauthorized: false };
    const socket = (door.isTls ? connectTls : connectPlain)(options, () => socket.write(bytes));
    socket.setTimeout(3_000, () => socket.destroy());
    socket
      .on("data", (chunk) => (answer += chunk))
      .on("error", () => {})
      .on("close", () => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1])));
  });
}

const request = (door, path, more = "") =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${door.port}\r\nConnection: close\r\n${more}\r\n`;

function assertNothingIsWritten(door) {
  const logs = logsOf(door);
  for (const secret of [CODE, STATE]) {
    const at = logs.indexOf(secret);
    assert.ok(at < 0, `${door.name}: ${logs.slice(Math.max(0, at - 300), at + 40)}`);
  }
}

/** Answers every request but those of the callback. */
async function startReplica(port, act) {
  const server = createServer((socket) =>
    socket
      .on("error", () => {})
      .on("data", (data) =>
        String(data).includes("callback")
          ? act(socket)
          : socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
      ),
  );
  await once(server.listen(port, "127.0.0.1"), "listening");
  return server;
}

for (const [what, act] of Object.entries(CASES)) {
  test(`a replica that ${what} brings no code into a log`, async () => {
    const replicas = await Promise.all(act ? ports.map((port) => startReplica(port, act)) : []);
    for (const front of act ? fronts : [])
      while ((await exchange(front, request(front, "/readyz"))) !== 200)
        await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all(doors.map((door) => exchange(door, request(door, CALLBACK))));
    doors.forEach(assertNothingIsWritten);
    for (const replica of replicas) replica.close();
  });
}

test("a request that the proxy itself refuses brings no code into a log", async () => {
  const long = "x".repeat(1_200_000);
  for (const door of doors) {
    const good = request(door, CALLBACK);
    await Promise.all(
      [
        request(door, `${CALLBACK}&more=${long}`),
        request(door, CALLBACK, `Cookie: ${long}\r\n`),
        request(door, CALLBACK, "Content-Length: 4294967296\r\n"),
        request(door, CALLBACK, "No colon\r\n"),
        good.replace("HTTP/1.1", "HTTP/9.9"),
        good.replace(/Host.*\r\n/, ""),
      ].map((bytes) => exchange(door, bytes)),
    );
    assertNothingIsWritten(door);
  }
});
