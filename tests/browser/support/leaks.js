/**
 * Secrets that a test has seen, and the search for them in what the server logged, in every common
 * spelling.
 */
import assert from "node:assert/strict";

/** Shorter texts occur by chance. */
const SHORTEST = 24;
/** What an address carries that nobody else may know. */
const PARAMETERS = ["state", "code", "completion", "access_token"];

/** As it is, in an address, in hexadecimal, and in base64 at any alignment. */
function spellings(secret) {
  const bytes = Buffer.from(secret);
  const all = new Set([secret, encodeURIComponent(secret), bytes.toString("hex")]);
  for (let alignment = 0; alignment < 3; alignment += 1) {
    const shifted = Buffer.concat([Buffer.alloc(alignment, " "), bytes]);
    for (const encoding of ["base64", "base64url"]) {
      // The digits at both ends depend on what stands beside the secret.
      const digits = shifted.toString(encoding).replace(/=+$/, "");
      all.add(digits.slice(Math.ceil((alignment * 8) / 6), -2));
    }
  }
  return all;
}

export class Secrets {
  #seen = new Set();

  add(text) {
    if (typeof text !== "string" || text.length < SHORTEST) return;
    this.#seen.add(text);
    // A token could be logged without its header.
    const [, ...parts] = text.split(".");
    if (parts.length === 2) parts.forEach((part) => this.add(part));
  }

  /**
   * What a request of a browser carries: its token, and what stands in its address and its body.
   */
  async addFrom(request) {
    for (const [name, value] of new URL(request.url()).searchParams)
      if (PARAMETERS.includes(name)) this.add(value);
    const body = request.postData() ?? "";
    if (body.startsWith("{")) this.add(JSON.parse(body).completion);
    const { authorization } = await request.allHeaders();
    this.add(authorization?.replace(/^Bearer /, ""));
  }

  get size() {
    return this.#seen.size;
  }

  /**
   * Fails where `log` holds one of them. A log without a line, or nothing to look for, is a failure
   * too.
   */
  assertNoneIn(log) {
    assert.match(log, /"level":"/, "nothing was logged");
    assert.ok(this.size > 0, "no secret was seen");
    for (const secret of this.#seen) {
      for (const spelling of spellings(secret)) {
        const at = log.indexOf(spelling);
        assert.equal(
          at,
          -1,
          `a secret is in the log: …${log.slice(Math.max(0, at - 160), at)}⟨${spelling.slice(0, 8)}…⟩`,
        );
      }
    }
  }
}
