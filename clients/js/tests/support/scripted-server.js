/**
 * A server with a script: behaves as the contract says until told to misbehave, and remembers every
 * request. Real sockets, so that resets, hangs and half answers are what a browser meets.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import { actions, sentences } from "./reference.js";

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, content-type, if-none-match",
  "access-control-allow-methods": "GET, POST, DELETE",
  "access-control-expose-headers": "etag, retry-after, date",
  "access-control-max-age": "600",
};

export const notConnected = {
  connected: false,
  state: "not_connected",
  reason: null,
  action: "connect",
  account: null,
  scopes: [],
  missing_scopes: [],
  token_expires_at: null,
  next_refresh_at: null,
  since: null,
  retry_after: null,
  evidence: null,
  version: 1,
};

export const connected = {
  ...notConnected,
  connected: true,
  state: "connected",
  action: "none",
  account: {
    id: "25982752248032036",
    professional_id: "17841479677897649",
    username: "ada.makes",
    name: "Ada",
    account_type: "business",
    profile_picture_url: null,
  },
  scopes: ["instagram_business_basic"],
  evidence: { source: "oauth", at: "2026-11-20T10:00:00Z" },
  version: 2,
};

export function json(response, status, body, headers = {}) {
  response.writeHead(status, { ...CORS, "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** With the sentence and the action that the real server has for the code, where it has them. */
export function problem(response, status, code, { headers, ...members } = {}) {
  const detail = sentences[code] ?? `Said ${code}.`;
  json(
    response,
    status,
    {
      type: `/docs/errors/${code}`,
      title: code,
      status,
      detail,
      error: detail,
      code,
      action: actions[code],
      source: "request",
      request_id: "r1",
      ...members,
    },
    { "content-type": "application/problem+json", ...headers },
  );
}

/** Ways to misbehave, each for any route. */
export const faults = {
  401: (request, response) =>
    problem(response, 401, "token-expired", {
      source: "session",
      headers: { "www-authenticate": 'Bearer error="invalid_token"' },
    }),
  /** A proxy's own, which knows nothing of sessions. */
  basic: (request, response) => {
    response.writeHead(401, {
      ...CORS,
      "content-type": "text/html",
      "www-authenticate": 'Basic realm="staging"',
    });
    response.end("<!doctype html><title>401 Authorization Required</title>");
  },
  403: (request, response) => problem(response, 403, "session-pending"),
  429: (request, response) =>
    problem(response, 429, "too-many-requests", { headers: { "retry-after": "30" } }),
  503: (request, response) =>
    problem(response, 503, "jwks-unavailable", {
      source: "clerk",
      headers: { "retry-after": "5" },
    }),
  hang: () => {},
  reset: (request) => request.socket.resetAndDestroy(),
  html: (request, response) => {
    response.writeHead(200, { ...CORS, "content-type": "text/html" });
    response.end("<!doctype html><title>Welcome to the hotel</title>");
  },
  truncated: (request, response) => {
    response.writeHead(200, { ...CORS, "content-type": "application/json" });
    response.end(JSON.stringify(connected).slice(0, 80));
  },
};

const notice = (status) =>
  `event: instagram.status\nid: ${status.version}\ndata: ${JSON.stringify(status)}\n\n`;

export async function startScriptedServer() {
  const requests = [];
  const streams = new Set();
  const streamed = new Map(); // by stream id, what was sent: {bytes, hasEnded}
  const open = new Set();
  const scripted = new Map();
  const state = {
    status: notConnected,
    fault: null,
    /** Answers every route but the tokens', where it is set. */
    answer: null,
    attempts: 0,
    mints: 0,
    /** Milliseconds; null for the computer's clock. Tokens are judged by it if `judges` is set. */
    now: null,
    judges: false,
    authorizeUrl: null,
  };

  const etagOf = (status) => `"${status.version}"`;

  const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const seconds = () => Math.floor((state.now ?? Date.now()) / 1_000);

  const routes = {
    // The sign-in service: lives of one minute, by the server's clock.
    "POST /token": (request, response, { sid }) => {
      state.mints += 1;
      const claims = {
        sub: `user_of_${sid}`,
        sid,
        iat: seconds(),
        exp: seconds() + 60,
        jti: state.mints,
      };
      json(response, 200, { jwt: `${base64url({ alg: "RS256" })}.${base64url(claims)}.sig` });
    },
    "POST /auth/sync": (request, response) =>
      json(response, 200, { user: { id: "user_1" }, created: false }),
    "GET /user/profile": (request, response) =>
      json(response, 200, { id: "user_1", connections: { instagram: state.status } }),
    "GET /user/instagram/status": (request, response) => {
      const etag = etagOf(state.status);
      if (request.headers["if-none-match"] === etag) {
        response.writeHead(304, { ...CORS, etag });
        response.end();
      } else json(response, 200, state.status, { etag });
    },
    "POST /user/instagram/connect": (request, response) => {
      state.attempts += 1;
      json(response, 201, {
        authorize_url: state.authorizeUrl ?? "https://www.instagram.com/oauth/authorize?state=s",
        attempt_id: `a${state.attempts}`,
        expires_at: "2026-11-23T00:10:00Z",
      });
    },
    "POST /user/instagram/check": (request, response) => json(response, 200, state.status),
    "DELETE /user/instagram": (request, response) => {
      state.status = {
        ...notConnected,
        reason: "user_disconnected",
        version: state.status.version + 1,
      };
      json(response, 200, {
        disconnected: true,
        deleted_at: "2026-11-23T00:00:00Z",
        revoke_hint: null,
      });
    },
    "GET /user/instagram/history": (request, response) =>
      json(response, 200, { entries: [], next: null }),
    "GET /user/events": (request, response) => {
      const sent = { bytes: 0, hasEnded: false };
      streamed.set(String(streamed.size + 1), sent);
      response.writeHead(200, {
        ...CORS,
        "content-type": "text/event-stream",
        "x-stream": String(streamed.size),
      });
      const stream = {
        write(text) {
          sent.bytes += Buffer.byteLength(text);
          response.write(text);
        },
        end() {
          sent.hasEnded = true;
          response.end();
        },
      };
      stream.write(`retry: 3000\n\n${notice(state.status)}`);
      streams.add(stream);
      response.on("close", () => streams.delete(stream));
    },
  };
  const SKEW_S = 5;
  const isExpired = (authorization) =>
    state.judges &&
    authorization &&
    JSON.parse(Buffer.from(authorization.split(".")[1], "base64url")).exp <= seconds() - SKEW_S;
  const complete = (request, response) => {
    state.status = { ...connected, version: state.status.version + 1 };
    json(response, 200, state.status);
  };

  const server = createServer(async (request, response) => {
    if (request.method === "OPTIONS") {
      response.writeHead(204, CORS);
      return response.end();
    }
    let body = "";
    for await (const chunk of request) body += chunk;
    const path = new URL(request.url, "http://x").pathname;
    const route = `${request.method} ${path}`;
    requests.push({
      route,
      url: request.url,
      token: request.headers.authorization?.replace("Bearer ", ""),
      headers: request.headers,
      body: body && JSON.parse(body),
    });
    const isToken = route === "POST /token";
    const everywhere = isToken ? undefined : (state.answer ?? faults[state.fault]);
    const script = scripted.get(route) ?? everywhere ?? routes[route];
    open.add(response);
    response.on("close", () => open.delete(response));
    if (isExpired(request.headers.authorization)) return faults[401](request, response);
    if (script) return script(request, response, body && JSON.parse(body));
    if (/^POST \/user\/instagram\/connect\/[^/]+\/complete$/.test(route))
      return complete(request, response);
    problem(response, 404, "not-found");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    routes: () => requests.map(({ route }) => route),
    state,
    streams,
    streamed,
    /** Requests that were heard and are left without an answer. */
    unanswered: () => [...open].filter((response) => !response.headersSent).length,
    /** Overrides one route: `(request, response) => void`; undefined restores it. */
    script: (route, handler) => (handler ? scripted.set(route, handler) : scripted.delete(route)),
    /** Says on every open stream that the status is now this. */
    announce(status) {
      state.status = status;
      for (const stream of streams) stream.write(notice(status));
    },
    write: (text) => streams.forEach((stream) => stream.write(text)),
    /** Resets what was left without an answer. */
    endHanging: () => open.forEach((response) => response.headersSent || response.destroy()),
    /** Ends whatever is open, as an impatient proxy does. */
    endOpen: () => open.forEach((response) => response.headersSent && response.end()),
    endStreams: () => streams.forEach((stream) => stream.end()),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
