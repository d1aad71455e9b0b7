/** The model on the right-hand side of the page claims little, and exactly that. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FRONT_END, naiveBackend, naiveFrontEnd } from "../../web/demo/naive.js";

const now = Date.parse("2026-01-01T00:00:00Z");
const seconds = now / 1_000;
const well = {
  now,
  token: { kid: "ins_1", iat: seconds - 5, nbf: seconds - 15, exp: seconds + 55 },
  keyIds: ["ins_1"],
  account: { username: "ada.makes" },
  instagram: { status: 200, readable: true, code: null },
};
const refusal = { status: 401, body: { error: "Invalid or expired token" } };
const answerTo = (change) => {
  const { status, body } = naiveBackend({ ...well, ...change });
  return { status, body };
};

describe("the naive backend", () => {
  test("works while everything works", () => {
    assert.deepEqual(answerTo({}), {
      status: 200,
      body: { connected: true, username: "ada.makes" },
    });
    assert.deepEqual(answerTo({ account: null, instagram: null }), {
      status: 200,
      body: { connected: false },
    });
  });

  for (const [what, instagram] of Object.entries({
    "a revoked grant": { status: 400, readable: true, code: 190 },
    "a rate limit": { status: 403, readable: true, code: 4 },
    "a server error": { status: 500, readable: true, code: 2 },
    HTML: { status: 200, readable: false, code: null },
    "a 401 without a word": { status: 401, readable: false, code: null },
    "an error under status 200": { status: 200, readable: true, code: 200 },
    "no answer": { status: null, readable: false, code: null },
    "an unreachable Instagram": null,
  })) {
    test(`passes ${what} on as the caller's 401`, () =>
      assert.deepEqual(answerTo({ instagram }), refusal));
  }

  for (const [what, change] of Object.entries({
    "keys that cannot be fetched": { keyIds: null },
    "a rotated key": { keyIds: ["ins_2"] },
    "an expired token": { token: { ...well.token, exp: seconds } },
    "a token from the near future": { token: { ...well.token, iat: seconds + 4 } },
  })) {
    test(`takes ${what} for a refused caller`, () => assert.deepEqual(answerTo(change), refusal));
  }
});

describe("the naive front end", () => {
  test("is signed out by a 401, and asks again with each round", () => {
    const once = naiveFrontEnd(FRONT_END, { status: 401 });
    assert.deepEqual(once, { signedIn: false, looping: true, requests: 1 });
    assert.equal(naiveFrontEnd(once, { status: 401 }).requests, 2);
  });

  test("stops asking when it is answered, and is signed out still", () => {
    const once = naiveFrontEnd(FRONT_END, { status: 401 });
    assert.deepEqual(naiveFrontEnd(once, { status: 200 }), {
      signedIn: false,
      looping: false,
      requests: 1,
    });
  });

  test("notices nothing while it is answered", () => {
    assert.deepEqual(naiveFrontEnd(FRONT_END, { status: 200 }), FRONT_END);
  });
});
