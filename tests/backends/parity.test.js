/**
 * One corpus of tokens, good and hostile, at every door: the same verdicts, the same codes; none
 * laxer than `@clerk/backend`.
 */
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { after, before, test } from "node:test";
import { verifyToken } from "@clerk/backend";
import { startBackend } from "./support/backend.js";
import { ask, frameworks, proxies } from "./support/doors.js";
import { endAll, startDev, startServe } from "./support/processes.js";

const ORIGIN = "https://app.example.com";
const USER = "user_2ada1815aNaLyticaLengiNe0aA";
let dev, backend, doors, cases, jwks;
const minted = new Map();

before(async () => {
  dev = await startDev(ORIGIN);
  // The key that a token was signed with may be newer than those that a server has, and then that
  // cannot judge yet; so these tokens are older than the servers, and first.
  const kinds = await dev.control("cases");
  const first = kinds
    .filter((each) => ["jwk-kid-mismatch", "token-invalid-signature"].includes(each.expect.code))
    .map((each) => each.case);
  for (const name of first)
    minted.set(name, await dev.control("mint", { case: name, azp: ORIGIN }));
  cases = [...first, ...kinds.map((each) => each.case).filter((name) => !first.includes(name))];
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  // A refused token that is presented again and again is answered with 429; with four servers none
  // is.
  const holdfasts = await Promise.all([1, 2, 3].map(() => startServe(dev, ORIGIN)));
  backend = await startBackend();
  const [behind, apps] = await Promise.all([
    proxies(holdfasts[0].url, backend),
    frameworks(holdfasts[1].url),
  ]);
  doors = [
    { name: "own route", who: `${holdfasts[2].url}/user/profile` },
    { name: "forward-auth", who: `${holdfasts[2].url}/forward-auth` },
    ...behind,
    ...apps,
  ];
  // Next compiles a route when it is asked for first.
  await Promise.all(doors.map((door) => ask(door.who, "Bearer null")));
  jwks = await (await fetch(`${dev.clerk}/.well-known/jwks.json`)).json();
});

after(async () => {
  backend?.stop();
  await endAll();
});

async function acceptedByClerk(jwt) {
  const { kid } = JSON.parse(Buffer.from(jwt.split(".")[0], "base64url").toString());
  const key = createPublicKey({ key: jwks.keys.find((each) => each.kid === kid), format: "jwk" });
  const jwtKey = key.export({ type: "spki", format: "pem" });
  return verifyToken(jwt, { jwtKey, authorizedParties: [ORIGIN] }).then(
    () => true,
    () => false,
  );
}

/** The verdict in words, with the code where there is one. */
const words = ({ status, code, user }) =>
  status === 200 ? `accepted as ${user}` : `${status} ${code}`;

/**
 * What is to be said of a token; whether that is laxer than `@clerk/backend`; what each door says.
 */
async function verdictsOn(name) {
  // Tokens know seconds only. This one is good for less than one more: a verdict counts where all
  // doors were asked within it.
  const isShortLived = name === "genuine-expired-4s";
  for (;;) {
    if (isShortLived)
      await new Promise((resolve) => setTimeout(resolve, 1_010 - (Date.now() % 1_000)));
    const second = Math.floor(Date.now() / 1_000);
    const { jwt, expect } =
      minted.get(name) ?? (await dev.control("mint", { case: name, azp: ORIGIN }));
    const authorization = `Bearer ${Buffer.from(jwt, "utf8").toString("latin1")}`;
    // At one moment, since a verdict may depend on it.
    const [laxer, ...told] = await Promise.all([
      expect.verdict === "accepted" && acceptedByClerk(jwt).then((accepted) => !accepted),
      ...doors.map(async (door) => [door.name, await ask(door.who, authorization)]),
    ]);
    if (!isShortLived || Math.floor(Date.now() / 1_000) === second) return [expect, laxer, told];
  }
}

test("every door gives every token the same verdict and the same code", async () => {
  const differing = [];
  let accepted = 0;
  for (const name of cases) {
    const [expect, laxer, told] = await verdictsOn(name);
    assert.ok(!laxer, `${name} is accepted here, and refused by @clerk/backend`);
    if (name === "shape-huge") {
      // Larger than the head of a request may be: no door looks at it, and each has its own words
      // for that.
      for (const [door, { status }] of told)
        assert.ok([400, 431].includes(status), `${name} at ${door}: ${status}`);
      continue;
    }
    const verdicts = new Map();
    for (const [door, answer] of told) {
      const verdict = words(answer);
      verdicts.set(verdict, [...(verdicts.get(verdict) ?? []), door]);
    }
    if (verdicts.size > 1) differing.push(`${name}: ${JSON.stringify([...verdicts])}`);
    const expected = {
      accepted: `accepted as ${USER}`,
      pending: "403 session-pending",
      refused: `401 ${expect.code}`,
    };
    assert.ok(verdicts.has(expected[expect.verdict]), `${name}: ${JSON.stringify([...verdicts])}`);
    for (const [door, { status, headers }] of told) {
      if (status === 401)
        assert.match(headers.get("www-authenticate") ?? "", /^Bearer/, `${name} at ${door}`);
      if (status !== 200)
        assert.match(
          headers.get("content-type"),
          /^application\/problem\+json/,
          `${name} at ${door}`,
        );
    }
    if (expect.verdict === "accepted") accepted += 1;
  }
  assert.deepEqual(differing, []);
  console.log(
    `${cases.length} tokens at ${doors.length} doors (${doors.map((door) => door.name).join(", ")}): ${accepted} accepted, 0 differing`,
  );
  assert.ok(cases.length >= 150 && accepted >= 15, `${cases.length} tokens, ${accepted} good`);
});

test("credentials of other forms are judged alike", async () => {
  const { jwt } = await dev.control("mint", { case: "genuine", azp: ORIGIN });
  for (const [authorization, expected] of [
    [undefined, "401 session-token-missing"],
    [`bearer ${jwt}`, `accepted as ${USER}`],
    [jwt, null],
    ["Basic YTpi", null],
    ["Bearer", null],
    ["Bearer ", null],
    ["Bearer null", "401 token-invalid"],
    [`Bearer "${jwt}"`, "401 token-invalid"],
  ]) {
    const told = await Promise.all(
      doors.map(async (door) => [door.name, words(await ask(door.who, authorization))]),
    );
    assert.equal(
      new Set(told.map(([, verdict]) => verdict)).size,
      1,
      `${authorization?.slice(0, 20)}: ${JSON.stringify(told)}`,
    );
    if (expected) assert.equal(told[0][1], expected, String(authorization?.slice(0, 20)));
  }
});

test("Clerk's cookie opens no door, and each door says that it came", async () => {
  const { jwt } = await dev.control("mint", { case: "genuine", azp: ORIGIN });
  for (const door of doors) {
    const answer = await ask(door.who, undefined, { cookie: `theme=dark; __session=${jwt}` });
    assert.equal(words(answer), "401 session-token-missing", door.name);
    if (["HAProxy", "Envoy"].includes(door.name)) continue; // these pass no cookies on to Holdfast
    assert.match(JSON.parse(answer.body).detail, /came in a cookie only/, door.name);
  }
});

test("a client cannot loosen what a route asks for", async () => {
  // At forward-auth itself the query is the operator's.
  for (const door of doors.filter((each) => each.name !== "forward-auth")) {
    const answer = await ask(`${door.who}?credentials=optional&org=any`);
    assert.equal(answer.status, 401, door.name);
  }
});

test("a page may read a refusal, and its preflight passes", async () => {
  for (const door of doors.filter((each) =>
    ["nginx", "Caddy", "HAProxy", "Envoy", "Traefik", "forward-auth"].includes(each.name),
  )) {
    const refused = await ask(door.who, undefined, { origin: ORIGIN });
    assert.equal(refused.status, 401, door.name);
    assert.equal(refused.headers.get("access-control-allow-origin"), ORIGIN, door.name);
    assert.match(
      refused.headers.get("access-control-expose-headers") ?? "",
      /retry-after/i,
      door.name,
    );
    const preflight = await fetch(door.who, {
      method: "OPTIONS",
      headers: { origin: ORIGIN, "access-control-request-method": "GET" },
    });
    assert.equal(preflight.status, 200, door.name);
  }
});

/** For each door anew: they are good for a minute, and an app may compile a route first. */
const adminAndPlain = () =>
  Promise.all(
    ["genuine-with-organization", "genuine"].map(
      async (name) => (await dev.control("mint", { case: name, azp: ORIGIN })).jwt,
    ),
  );

test("roles, and nobody where nobody will do", async () => {
  for (const door of doors.filter(
    (each) => each.remembers && !["ASGI", "Django"].includes(each.name),
  )) {
    const [admin, plain] = await adminAndPlain();
    const at = (path) => door.who.replace("/who", path);
    assert.equal((await ask(at("/admin"), `Bearer ${admin}`)).user, USER, door.name);
    const refused = await ask(at("/admin"), `Bearer ${plain}`);
    assert.equal(words(refused), "403 role-missing", door.name);
    // Accepted on one route, a token is not accepted on another by memory.
    assert.equal((await ask(door.who, `Bearer ${plain}`)).status, 200, door.name);
    assert.equal((await ask(at("/admin"), `Bearer ${plain}`)).status, 403, door.name);
    assert.equal(words(await ask(at("/maybe"))), "accepted as null", door.name);
    assert.equal(words(await ask(at("/maybe"), "Basic YTpi")), "accepted as null", door.name);
    assert.equal((await ask(at("/maybe"), `Bearer ${plain}`)).user, USER, door.name);
    assert.equal((await ask(at("/maybe"), "Bearer null")).status, 401, door.name);
  }
});

test("identity headers from outside are nothing to a middleware", async () => {
  const plain = `Bearer ${(await dev.control("mint", { case: "genuine", azp: ORIGIN })).jwt}`;
  for (const separator of "-_.!") {
    const forged = Object.fromEntries(
      ["User", "Session", "Org", "Org-Role", "Assertion"].map((name) => [
        `X-Auth-${name}`.replaceAll("-", separator),
        "user_attacker",
      ]),
    );
    for (const door of doors.filter((each) => each.remembers)) {
      const which = `${separator} at ${door.name}`;
      assert.equal(
        words(await ask(door.who, undefined, forged)),
        "401 session-token-missing",
        which,
      );
      assert.equal(words(await ask(door.who, plain, forged)), `accepted as ${USER}`, which);
      if (["ASGI", "Django"].includes(door.name)) continue;
      const at = (path) => door.who.replace("/who", path);
      assert.equal(words(await ask(at("/maybe"), undefined, forged)), "accepted as null", which);
      assert.equal(words(await ask(at("/admin"), plain, forged)), "403 role-missing", which);
    }
  }
});

test("OPTIONS passes as nobody, past a role too, unless every method is judged", async () => {
  for (const door of doors.filter(
    (each) => each.remembers && !["ASGI", "Next"].includes(each.name),
  )) {
    const [admin, plain] = await adminAndPlain();
    const options = async (path, authorization) =>
      words(await ask(door.who.replace("/who", path), authorization, {}, "OPTIONS"));
    assert.equal(await options("/admin"), "accepted as null", door.name);
    assert.equal(await options("/admin", `Bearer ${plain}`), "accepted as null", door.name);
    assert.equal(await options("/judged"), "401 session-token-missing", door.name);
    assert.equal(await options("/judged", `Bearer ${plain}`), "403 role-missing", door.name);
    assert.equal(await options("/judged", `Bearer ${admin}`), `accepted as ${USER}`, door.name);
  }
});
