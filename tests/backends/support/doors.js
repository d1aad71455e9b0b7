/**
 * Every door to a backend that Holdfast judges for: proxies and frameworks. `who` is the address of
 * a route that asks who is calling.
 */
import { python, startApp } from "./processes.js";
import { startCaddy, startEnvoy, startHaproxy, startNginx, startTraefik } from "./proxies.js";

const node = process.execPath;

/** Those that answer through a proxy. */
export const proxies = (holdfast, backend) =>
  startAll([startNginx, startCaddy, startHaproxy, startEnvoy, startTraefik], holdfast, backend);

/** The same that let callers pass without credentials; Envoy's cannot. */
export const optionalProxies = (holdfast, backend) =>
  startAll([startNginx, startCaddy, startHaproxy, startTraefik], holdfast, backend, true);

async function startAll(proxies, holdfast, backend, optional) {
  const port = new URL(holdfast).port;
  const started = await Promise.all(proxies.map((each) => each(port, backend.port, optional)));
  return started.map((proxy) => ({
    name: proxy.name,
    url: proxy.url,
    port: proxy.port,
    who: `${proxy.url}/who`,
  }));
}

/** Those that use a middleware, which remembers accepted tokens. */
export async function frameworks(holdfast) {
  const app = async (name, command, args, who = "/who") => {
    const { url } = await startApp(command, [...args, holdfast]);
    return []
      .concat(who)
      .map((path, at) => ({ name: [].concat(name)[at], url, who: url + path, remembers: true }));
  };
  const all = await Promise.all([
    app("Express 4", node, ["express.js", "express-4"]),
    app("Express 5", node, ["express.js", "express-5"]),
    app("Fastify", node, ["fastify.js"]),
    app("Hono", node, ["hono.js"]),
    app("Next", node, ["next.js"]),
    app(["FastAPI", "ASGI"], python, ["fastapi_app.py"], ["/who", "/asgi/who"]),
    app(["Flask", "Django"], python, ["flask_app.py"], ["/who/", "/django/who/"]),
  ]);
  return all.flat();
}

/**
 * What a door says to a credential: status, code of the problem, and who it takes the caller for.
 */
export async function ask(address, authorization, headers = {}, method = "GET") {
  const response = await fetch(address, {
    method,
    headers: authorization === undefined ? headers : { ...headers, authorization },
    redirect: "manual",
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // An empty body, or none of ours.
  }
  return {
    status: response.status,
    code: body.code ?? null,
    user: response.headers.get("x-auth-user") ?? body.user ?? body.id ?? null,
    headers: response.headers,
    body: text,
  };
}
