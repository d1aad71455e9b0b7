/** The search of the server's log would find what it looks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Secrets } from "./support/leaks.js";

const SECRET = "IGAA/a+grant=that was planted by this test";
const LINE = '{"level":"TRACE","message":"nothing"}\n';

test("a planted secret is found in every spelling", () => {
  const secrets = new Secrets();
  secrets.add(SECRET);
  secrets.assertNoneIn(LINE);
  const base64 = (text, encoding = "base64") => Buffer.from(text).toString(encoding);
  const spelled = [SECRET, encodeURIComponent(SECRET), Buffer.from(SECRET).toString("hex")];
  for (const before of ["", "a", "ab", "abc"]) {
    spelled.push(base64(`${before}${SECRET}c`), base64(`${before}${SECRET}`, "base64url"));
  }
  for (const text of spelled) {
    assert.throws(
      () => secrets.assertNoneIn(`${LINE}{"level":"TRACE","message":"${text}"}\n`),
      /is in the log/,
      text,
    );
  }
});

test("a token is found by its parts, and an empty search is none", () => {
  const secrets = new Secrets();
  assert.throws(() => secrets.assertNoneIn(LINE), /no secret was seen/);
  const [payload, signature] = ["a-payload-of-a-session-token", "a-signature-of-a-session-token"];
  secrets.add(`header.${payload}.${signature}`);
  assert.throws(() => secrets.assertNoneIn(""), /nothing was logged/);
  assert.throws(() => secrets.assertNoneIn(`${LINE}${signature}`), /is in the log/);
});
