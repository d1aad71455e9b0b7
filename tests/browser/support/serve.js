/**
 * The real binary as `holdfast serve` runs it, with the operator's page, on the stand-ins of a
 * `holdfast dev`.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./answers.js";
import { BINARY, freePort } from "./holdfast.js";

/** The credentials that the stand-in for Instagram asks for: they open nothing. */
const APP_ID = "1234567890123456";
const APP_SECRET = "5ec0e7a9d0f7be57a4d1ac0ffee0c0de";

async function issuerOf({ clerk_url: clerk, public_url: origin }) {
  const headers = { origin, "content-type": "application/json" };
  const post = async (path, body) =>
    (await fetch(clerk + path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const { session_id: id } = await post("/v1/dev/sign-in", { user: "ada" });
  const { jwt } = await post(`/v1/client/sessions/${id}/tokens`, {});
  return JSON.parse(Buffer.from(jwt.split(".")[1], "base64url")).iss;
}

/**
 * The stand-in for Instagram knows one way back only, that of the `holdfast dev`: the browser has
 * to be led on from there (`leadBack`).
 *
 * @param {{ config: object }} dev
 * @param {string[]} origins whose pages may call it
 */
export async function startServe({ config }, origins) {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-serve-"));
  const [port, operatorPort] = [await freePort(), await freePort()];
  const child = spawn(BINARY, ["serve"], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      HOLDFAST_LISTEN: `127.0.0.1:${port}`,
      HOLDFAST_METRICS_LISTEN: `127.0.0.1:${operatorPort}`,
      HOLDFAST_PUBLIC_URL: config.public_url,
      HOLDFAST_DATABASE_URL: "sqlite://holdfast.db",
      HOLDFAST_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString("base64")}`,
      HOLDFAST_ALLOWED_ORIGINS: origins.join(","),
      HOLDFAST_DRAIN_S: "0",
      CLERK_JWKS_URL: `${config.clerk_url}/.well-known/jwks.json`,
      CLERK_ISSUER: await issuerOf(config),
      INSTAGRAM_APP_ID: APP_ID,
      INSTAGRAM_APP_SECRET: APP_SECRET,
      INSTAGRAM_AUTHORIZE_URL: `${config.instagram_url}/oauth/authorize`,
      INSTAGRAM_API_URL: config.instagram_url,
      INSTAGRAM_GRAPH_URL: config.instagram_url,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk) => (output += chunk));
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM"); // nothing, where it has ended already
    await ended;
    await rm(directory, { recursive: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await answers(`${url}/readyz`, child);
  } catch (error) {
    await stop();
    throw new Error(`holdfast serve did not become ready: ${error.message}\n${output}`, {
      cause: error,
    });
  }
  /**
   * The browser has come back to the `holdfast dev`, which knows nothing of the attempt: on to this
   * server.
   */
  const leadBack = async (page) => {
    await page.waitForURL(`${config.public_url}/instagram/callback?*`);
    const { pathname, search } = new URL(page.url());
    await page.goto(url + pathname + search);
  };
  return { url, operator: `http://127.0.0.1:${operatorPort}`, leadBack, stop };
}
