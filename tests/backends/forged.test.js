/**
 * Identity headers that come from outside, however spelt, repeated or smuggled: none reaches the
 * backend as somebody.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { startBackend } from "./support/backend.js";
import { ask, optionalProxies, proxies } from "./support/doors.js";
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
/** What the name of a header may have beside letters and digits (RFC 9110, 5.6.2). */
const SEPARATORS = "-_.!#$%&'*+^`|~";
let dev, holdfast, backend, doors, optionalDoors;

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN, {
    HOLDFAST_FORWARD_AUTH_SECRET: "shared-by-holdfast-and-the-backend-48-bytes-long",
  });
  backend = await startBackend();
  [doors, optionalDoors] = await Promise.all(
    [proxies, optionalProxies].map((each) => each(holdfast.url, backend)),
  );
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
      letter === "-"
        ? SEPARATORS[roll(2) && roll(SEPARATORS.length)]
        : roll(2)
          ? letter.toUpperCase()
          : letter.toLowerCase(),
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

/** Sends bytes; gives what has come back once nothing more comes for a moment. */
function send(port, bytes) {
  return new Promise((resolve) => {
    let answer = "";
    // nginx forgets the request of a client that has closed its half of the connection.
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(2_000, () => socket.destroy());
    socket
      .on("data", (chunk) => {
        answer += chunk;
        socket.setTimeout(50);
      })
      .on("error", () => {})
      .on("end", () => socket.destroy())
      .on("close", () => resolve(answer));
  });
}

const mint = async (name) =>
  `Bearer ${(await dev.control("mint", { case: name, azp: ORIGIN })).jwt}`;

/**
 * The identity headers that the backend was sent since `count` requests, each request's in order of
 * name.
 */
const reachedSince = (count) =>
  backend.requests.slice(count).map(({ identity }) => identity.toSorted());

/** What is said of the caller; an assertion differs from one second to the next. */
const withoutAssertion = (identity) => identity.filter(([name]) => name !== "x-auth-assertion");

test("the backend is told what Holdfast says of a caller, and nothing else", async () => {
  const told = new Map();
  for (const name of ["genuine", "genuine-with-organization", "genuine-impersonated"]) {
    const authorization = await mint(name);
    const { headers } = await ask(`${holdfast.url}/forward-auth`, authorization);
    told.set(
      authorization,
      [...headers].filter(([header]) => header.startsWith("x-auth-")),
    );
  }
  const names = [...told.values()].map((identity) => identity.map(([name]) => name));
  assert.deepEqual(
    [...new Set(names.flat())].sort(),
    NAMES.map((name) => name.toLowerCase()).sort(),
  );
  for (const door of [...doors, ...optionalDoors]) {
    const isOptional = optionalDoors.includes(door);
    for (const [authorization, expected] of told) {
      const before = backend.requests.length;
      assert.equal((await ask(door.who, authorization)).status, 200, door.name);
      const reached = reachedSince(before);
      assert.deepEqual(reached.map(withoutAssertion), [withoutAssertion(expected)], door.name);
      assert.equal(reached[0].length, expected.length, `${door.name}: no assertion`);
    }
    for (const [what, authorization, method, passes] of [
      ["a preflight", undefined, "OPTIONS", true],
      ["nobody", undefined, "GET", isOptional],
      ["another scheme", "Basic YTpi", "GET", isOptional],
      ["a bad token", await mint("expired-10s"), "GET", false],
    ]) {
      const before = backend.requests.length;
      const { status } = await ask(door.who, authorization, {}, method);
      const which = `${what} at ${door.name}${isOptional ? ", credentials=optional" : ""}`;
      assert.equal(status, passes ? 200 : 401, which);
      assert.deepEqual(reachedSince(before), passes ? [[]] : [], which);
    }
  }
});

/**
 * Every identity header with `separator` in place of all of its hyphens, of the first, and of the
 * last.
 */
const spelt = (separator) =>
  NAMES.flatMap((name) => [
    name.replaceAll("-", separator),
    name.replace("-", separator).toLowerCase(),
    name.replace(/-(?=[^-]*$)/, separator).toUpperCase(),
  ]).map((name) => [name, "user_attacker"]);

const overHttp1 = async (door, method, headers) => {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} /who HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n`;
  return Number((await send(door.port, `${head}${lines}\r\n`)).slice(9, 12));
};

const overHttp2 = async (door, method, headers) => {
  const session = connectHttp2(door.url);
  const request = session.request({
    ":method": method,
    ":path": "/who",
    ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
  });
  try {
    const [{ ":status": status }] = await once(request, "response");
    return status;
  } finally {
    session.destroy();
  }
};

test("no spelling of an identity header gets through, with a token or without", async () => {
  const through = [];
  for (const door of [...doors, ...optionalDoors]) {
    const protocols = ["HAProxy", "Envoy", "Traefik"].includes(door.name)
      ? [overHttp1, overHttp2]
      : [overHttp1];
    const own = ["Authorization", await mint("genuine")];
    const cases = [
      ["GET", [own], "x-auth-assertion x-auth-session x-auth-user"],
      ["OPTIONS", [], ""],
      ...(optionalDoors.includes(door) ? [["GET", [], ""]] : []),
    ];
    for (const over of protocols) {
      for (const separator of SEPARATORS) {
        for (const [method, credentials, expected] of cases) {
          const before = backend.requests.length;
          const status = await over(door, method, [...spelt(separator), ...credentials]);
          const reached = reachedSince(before).map((identity) => ({
            names: identity.map(([name]) => name).join(" "),
            isForged: identity.flat().some((value) => value.includes("user_attacker")),
          }));
          // A proxy may refuse such a request instead.
          const holds = status === 200 ? [{ names: expected, isForged: false }] : [];
          if (![200, 400].includes(status) || !isDeepStrictEqual(reached, holds))
            through.push(
              `${method} with ${separator} at ${door.name}, ${over.name}: ${status} ${JSON.stringify(reached)}`,
            );
        }
      }
    }
  }
  assert.equal(through.length, 0, through.join("\n"));
});

test("of two credentials none is believed", async () => {
  const [own, other] = [await mint("genuine"), await mint("genuine-impersonated")];
  for (const door of [...doors, ...optionalDoors]) {
    for (const pair of [
      [own, other],
      [own, "Basic YTpi"],
      ["Basic YTpi", own],
    ]) {
      const before = backend.requests.length;
      const status = await overHttp1(
        door,
        "GET",
        pair.map((each) => ["Authorization", each]),
      );
      assert.ok([400, 401].includes(status), `${door.name}: ${status}`);
      assert.equal(backend.requests.length, before, door.name);
    }
  }
});

test(`${REQUESTS} requests with forged identities to each proxy: nobody reaches the backend as somebody else`, async () => {
  const roll = dice(7);
  const before = backend.requests.length;
  const all = REQUESTS * doors.length;
  let sent = 0;
  let authorization;
  while (sent < all) {
    // A token lives for a minute.
    if (sent % 1_980 === 0) authorization = await mint("genuine-impersonated");
    const batch = [];
    for (let each = 0; each < 180 && sent < all; each += 1, sent += 1) {
      const door = doors[sent % doors.length];
      const lines = Array.from({ length: 1 + roll(3) }, () => forged(roll)).join("");
      const [framing, body] = roll(4) === 0 ? smuggling(roll) : ["", ""];
      // A preflight gets through as nobody, an impersonated session as Ada by somebody from
      // support.
      const who = ["", "", `Authorization: ${authorization}\r\n`][roll(3)];
      const method = who ? ["GET", "POST"][roll(2)] : ["OPTIONS", "GET"][roll(2)];
      const path = ["/who", "/who?credentials=optional", "//who", "/./who"][roll(4)];
      const head = `${method} ${path} HTTP/1.${roll(10) ? 1 : 0}\r\nHost: api.example.com\r\nX-Door: ${door.name}\r\n`;
      batch.push(
        send(door.port, `${head}${roll(2) ? lines + who : who + lines}${framing}\r\n${body}`),
      );
    }
    await Promise.all(batch);
  }
  const reached = Object.fromEntries(doors.map((door) => [door.name, { nobody: 0, ada: 0 }]));
  for (const { door, method, url, identity } of backend.requests.slice(before)) {
    const said = Object.fromEntries(identity);
    if (identity.length === 0) {
      assert.equal(method, "OPTIONS", `${method} ${url} got through ${door} without anybody`);
      reached[door].nobody += 1;
      continue;
    }
    const told = `${method} ${url} at ${door}: ${JSON.stringify(identity)}`;
    assert.equal(new Set(identity.map(([name]) => name)).size, identity.length, `twice: ${told}`);
    assert.deepEqual(
      Object.keys(said).sort(),
      ["x-auth-assertion", "x-auth-impersonator", "x-auth-session", "x-auth-user"],
      told,
    );
    assert.equal(said["x-auth-user"], ADA, told);
    assert.equal(said["x-auth-impersonator"], "user_support", told);
    reached[door].ada += 1;
  }
  console.log(`${sent} requests, of which got through: ${JSON.stringify(reached)}`);
  for (const [door, { nobody, ada }] of Object.entries(reached))
    assert.ok(nobody > REQUESTS / 50 && ada > REQUESTS / 50, `${door}: ${nobody}, ${ada}`);
});
