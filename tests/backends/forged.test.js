/** Identity headers that come from outside, however spelt, repeated or smuggled: none reaches the backend as somebody. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { startBackend } from "./support/backend.js";
import { proxies } from "./support/doors.js";
import { endAll, startDev, startServe } from "./support/processes.js";

const ORIGIN = "https://app.example.com";
const ADA = "user_2ada1815aNaLyticaLengiNe0aA";
/** To each proxy. */
const REQUESTS = Number(process.env.FORGED_REQUESTS ?? 10_000);
const NAMES = [
  "X-Auth-User",
  "X-Auth-Session",
  "X-Auth-Org",
  "X-Auth-Org-Role",
  "X-Auth-Org-Permissions",
  "X-Auth-Impersonator",
  "X-Auth-Assertion",
];
let dev, holdfast, backend, doors, tokens;

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN, {
    HOLDFAST_FORWARD_AUTH_SECRET: "shared-by-holdfast-and-the-backend-48-bytes-long",
  });
  backend = await startBackend();
  doors = await proxies(holdfast.url, backend);
  tokens = [];
});

after(async () => {
  backend?.stop();
  await endAll();
});

/** The same requests in every run. */
function dice(seed) {
  return (most) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * most);
  };
}

const oddly = (text, roll) =>
  [...text]
    .map((letter) =>
      letter === "-" ? "-_"[roll(2)] : roll(2) ? letter.toUpperCase() : letter.toLowerCase(),
    )
    .join("");

/** One forged header line, or several. */
function forged(roll) {
  const name = NAMES[roll(NAMES.length)];
  const value = ["user_attacker", "org_attacker", "admin", "user_victim,user_attacker"][roll(4)];
  switch (roll(9)) {
    case 0:
      return `${name}: ${value}\r\n`;
    case 1:
      return `${name}: ${value}\r\n${oddly(name, roll)}: ${value}2\r\n`;
    case 2:
      return `${oddly(name, roll)}:${value}\r\n`;
    case 3:
      return `${name.replaceAll("-", "_")}: ${value}\r\n`;
    case 4:
      return `${name} : ${value}\r\n`;
    case 5:
      return `${name}:\r\n ${value}\r\n`;
    case 6:
      return `Connection: ${oddly(name, roll)}\r\n${name}: ${value}\r\n`;
    case 7:
      return `X-Nothing: 1\n${name}: ${value}\r\n`;
    default:
      return `${name}\t:\t${value}\r\n`;
  }
}

/** A body that hides a second request from whoever reads the length in the other way. */
function smuggling(roll) {
  const second = `GET /smuggled HTTP/1.1\r\nHost: b\r\nX-Auth-User: user_attacker\r\n\r\n`;
  switch (roll(6)) {
    case 0:
      return [
        `Content-Length: ${second.length + 5}\r\nTransfer-Encoding: chunked\r\n`,
        `0\r\n\r\n${second}`,
      ];
    case 1:
      return [`Transfer-Encoding: xchunked\r\nContent-Length: ${second.length}\r\n`, second];
    case 2:
      return [`Content-Length: 0\r\nContent-Length: ${second.length}\r\n`, second];
    case 3:
      return [
        `Transfer-Encoding: chunked\r\nTrailer: X-Auth-User\r\n`,
        `0\r\nX-Auth-User: user_attacker\r\n\r\n`,
      ];
    case 4:
      return [`Transfer-Encoding : chunked\r\n`, `0\r\n\r\n${second}`];
    default:
      return ["", second];
  }
}

/** Sends bytes; whatever comes back within a moment is of no interest. */
function send(port, bytes) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    socket.setTimeout(2_000, () => socket.destroy());
    socket
      .on("data", () => {})
      .on("error", () => {})
      .on("close", resolve);
  });
}

test(`${REQUESTS} requests with forged identities to each proxy: nobody reaches the backend as somebody else`, async () => {
  const roll = dice(7);
  const all = REQUESTS * doors.length;
  let sent = 0;
  while (sent < all) {
    // A token lives for a minute.
    if (sent % 1_980 === 0)
      tokens = [(await dev.control("mint", { case: "genuine-impersonated", azp: ORIGIN })).jwt];
    const batch = [];
    for (let each = 0; each < 60 && sent < all; each += 1, sent += 1) {
      const door = doors[sent % doors.length];
      const lines = Array.from({ length: 1 + roll(3) }, () => forged(roll)).join("");
      const [framing, body] = roll(4) === 0 ? smuggling(roll) : ["", ""];
      // A preflight gets through as nobody, an impersonated session as Ada by somebody from support.
      const who = ["", "", `Authorization: Bearer ${tokens[0]}\r\n`][roll(3)];
      const method = who ? ["GET", "POST"][roll(2)] : ["OPTIONS", "GET"][roll(2)];
      const path = ["/who", "/who?credentials=optional", "//who", "/./who"][roll(4)];
      const head = `${method} ${path} HTTP/1.${roll(10) ? 1 : 0}\r\nHost: api.example.com\r\n`;
      batch.push(
        send(door.port, `${head}${roll(2) ? lines + who : who + lines}${framing}\r\n${body}`),
      );
    }
    await Promise.all(batch);
  }
  const reached = { nobody: 0, ada: 0 };
  for (const { method, url, identity } of backend.requests) {
    const said = Object.fromEntries(identity);
    if (identity.length === 0) {
      assert.equal(method, "OPTIONS", `${method} ${url} got through without anybody`);
      reached.nobody += 1;
      continue;
    }
    const told = `${method} ${url}: ${JSON.stringify(identity)}`;
    assert.equal(new Set(identity.map(([name]) => name)).size, identity.length, `twice: ${told}`);
    assert.deepEqual(
      Object.keys(said).sort(),
      ["x-auth-assertion", "x-auth-impersonator", "x-auth-session", "x-auth-user"],
      told,
    );
    assert.equal(said["x-auth-user"], ADA, told);
    assert.equal(said["x-auth-impersonator"], "user_support", told);
    reached.ada += 1;
  }
  console.log(
    `${sent} requests at ${doors.map((door) => door.name).join(", ")}: ${reached.nobody} got through as nobody, ${reached.ada} as themselves, 0 as somebody else`,
  );
  assert.ok(reached.nobody > all / 50 && reached.ada > all / 50, JSON.stringify(reached));
});
