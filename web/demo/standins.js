/**
 * The controls of the two stand-ins: breaks them, mends them, and looks at what they answer now.
 * What is broken is always read from them, never remembered here, so that a reload, a second tab or
 * a curl line cannot make this page lie.
 */

async function call(url, { method = "GET", body } = {}) {
  const response = await fetch(url, {
    method,
    headers: body && { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`A stand-in answered ${response.status}.`);
  return response.status === 204 ? null : response.json();
}

const post = (url, body = {}) => call(url, { method: "POST", body });

/**
 * @param {string} url where the stand-in for Clerk answers
 * @param {() => number} ahead how many seconds everybody's time has been moved
 */
export function createClerkControls(url, ahead) {
  const dev = `${url}/v1/dev`;
  const skew = (seconds) => post(`${dev}/skew`, { seconds });
  return {
    skew,
    rotate: () => post(`${dev}/rotate`, { rotation: "new_kid" }),
    breakJwks: () => post(`${dev}/faults`, { surface: "jwks", fault: "bad_gateway" }),

    /**
     * Runs `work` while the stand-in's clock is set back, so that what it signs meanwhile is as old
     * as that.
     */
    async inThePast(seconds, work) {
      const before = await this.skewSeconds();
      await skew(-seconds);
      try {
        return await work();
      } finally {
        await skew(before);
      }
    },

    /** How far its clock is off from everybody else's. */
    async skewSeconds() {
      const { now } = await call(`${dev}/state`);
      return Math.round((Date.parse(now) - Date.now()) / 1_000) - ahead();
    },

    /**
     * The ids of the published keys, read as any backend reads them; null where they cannot be had.
     */
    async keyIds() {
      try {
        const { keys } = await call(`${url}/.well-known/jwks.json`);
        return keys.map(({ kid }) => kid);
      } catch {
        return null;
      }
    },

    async mend() {
      await skew(0);
      await post(`${dev}/faults`, { surface: "jwks", fault: null });
    },
  };
}

/** @param {string} url where the stand-in for Instagram answers */
export function createInstagramControls(url) {
  const dev = `${url}/dev`;
  return {
    /** Ends the account's tokens, or answers badly about it until mended, as the fault has it. */
    breakWith: (account, fault) => post(`${dev}/faults`, { account, fault }),
    /**
     * What `/me` would answer now to the newest grant of that account:
     * `{fault, status, readable, code}`.
     */
    preview: (account) => call(`${dev}/accounts/${encodeURIComponent(account)}/preview`),
    mend: () => call(`${dev}/faults`, { method: "DELETE" }),
  };
}
