/** The service API: what the app's backend may ask Holdfast with its service key. */
"use strict";

/**
 * Any answer but 2xx. `code`, `reason` and `action` are the problem's. Not `status` or
 * `statusCode`: Express and Fastify answer with those, and a refused service key would reach the
 * browser as a refused session.
 */
class HoldfastError extends Error {
  name = "HoldfastError";
  constructor(status, problem, retryAfter = null, action = null) {
    super(problem?.detail ?? (status ? `Holdfast answered ${status}` : "Holdfast does not answer"));
    this.httpStatus = status;
    this.problem = problem;
    this.code = problem?.code ?? (status ? "unreadable-answer" : "holdfast-unreachable");
    this.reason = problem?.reason ?? null;
    this.action = problem?.action ?? action;
    this.retryAfter = retryAfter;
  }
}

/** Done twice, these are as if done once; other calls than GET may not be. */
const TWICE = { isRepeatable: true };

/** @param {{send: Function, serviceKey?: string, timeout?: number}} options */
function createService({ send, serviceKey, timeout = 15_000 }) {
  const call = async (method, path, { query = {}, body, isRepeatable = method === "GET" } = {}) => {
    if (!serviceKey) throw new TypeError("the service API needs serviceKey");
    const headers = { authorization: `Bearer ${serviceKey}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const search = new URLSearchParams(
      Object.entries(query).filter(([, value]) => (value ?? null) !== null),
    );
    const address = `service/${path}${search.size ? `?${search}` : ""}`;
    const answer = await send(address, {
      method,
      headers,
      timeout,
      isRepeatable,
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch((cause) => {
      const action = isRepeatable ? "retry" : "look_first";
      throw Object.assign(new HoldfastError(0, undefined, null, action), { cause });
    });
    const parsed = parse(answer.body);
    if (answer.status >= 200 && answer.status < 300 && parsed !== undefined) return parsed;
    throw new HoldfastError(
      answer.status,
      parsed,
      Number(answer.headers.get("retry-after")) || null,
      // Something else answered, perhaps after it had passed the call on.
      isRepeatable ? null : "look_first",
    );
  };
  const instagram = (userId) => `users/${segment(userId)}/instagram`;

  return {
    status: async (userId) => call("GET", `${instagram(userId)}/status`),
    token: async (userId) => call("POST", `${instagram(userId)}/token`, TWICE),
    check: async (userId) => call("POST", `${instagram(userId)}/check`, TWICE),
    history: async (userId, query) => call("GET", `${instagram(userId)}/history`, { query }),
    disconnect: async (userId) => call("DELETE", instagram(userId), TWICE),
    async graph(userId, path, { method = "GET", query, body } = {}) {
      // `fetch` refuses it, which looks as if Holdfast had not answered.
      if (method === "GET" && body !== undefined)
        throw new TypeError("a graph call with a body needs its method: POST or DELETE");
      return call(method, `${instagram(userId)}/graph/${below(path)}`, { query, body });
    },
    /** One page; `next` of it is the `cursor` of the following. */
    connections: (query) => call("GET", "connections", { query }),
  };
}

/** One segment of a path. An address cannot hold `..` as a name: it would lead to another route. */
function segment(name) {
  if (/^\.{0,2}$/.test(name)) throw new TypeError(`"${name}" is no id`);
  return encodeURIComponent(name).replaceAll("%2C", ",").replaceAll("%3A", ":");
}

const below = (path) => path.replace(/^\/+/, "").split("/").map(segment).join("/");

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

module.exports = { createService, HoldfastError };
