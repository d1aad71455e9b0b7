/** Processes and ports of a test. Whatever was started is ended with it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BINARY, freePort } from "../../browser/support/holdfast.js";

export { freePort };

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const python = process.env.HOLDFAST_PYTHON ?? `${root}target/python/bin/python`;
/** Not a limit on the machine, which may be busy: what has not started by then never starts. */
const START_WITHIN_MS = 120_000;

const started = [];

/** A temporary directory of the test. */
export function scratch() {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-backends-"));
  started.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function endAll() {
  for (const end of started.splice(0).reverse()) await end();
}

/** Starts a program; `output()` is what it has printed. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  const ended = once(child, "exit").catch(() => {});
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(timer);
  };
  started.push(stop);
  return { child, stop, output: () => output };
}

/** Waits until `probe` gives something; what `process` printed is in the error. */
export async function until(what, process, probe) {
  const giveUpAt = Date.now() + START_WITHIN_MS;
  while (Date.now() < giveUpAt && process.child.exitCode === null) {
    const found = await Promise.resolve()
      .then(probe)
      .catch(() => undefined);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not start\n${process.output()}`);
}

/** A script of `apps/` that says on which port it listens. */
export async function startApp(command, args) {
  const process = start(command, args, { cwd: `${root}tests/backends/apps` });
  const port = await until(
    args.join(" "),
    process,
    () => /listening (\d+)/.exec(process.output())?.[1],
  );
  return { url: `http://127.0.0.1:${port}`, ...process };
}

/** `holdfast dev`: the server and both stand-ins. */
export async function startDev(origin) {
  const port = await freePort();
  const dev = start(BINARY, [
    "dev",
    "--port",
    String(port),
    "--data",
    scratch(),
    "--origin",
    origin,
    "--no-color",
  ]);
  const url = `http://127.0.0.1:${port}`;
  await until("holdfast dev", dev, async () => (await fetch(`${url}/healthz`)).ok);
  const clerk = await until("holdfast dev", dev, () =>
    /stand-in, Clerk *(http:\S+)/.exec(dev.output())?.[1]?.replace(/\/$/, ""),
  );
  const control = async (path, body) => {
    const response = await fetch(`${clerk}/v1/dev/${path}`, {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return { url, clerk, control, ...dev };
}

/** `holdfast serve`, which trusts the tokens of `dev`'s Clerk. */
export async function startServe(dev, origin, more = {}) {
  const directory = scratch();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    PATH: process.env.PATH,
    HOLDFAST_LISTEN: `127.0.0.1:${port}`,
    HOLDFAST_PUBLIC_URL: url,
    HOLDFAST_DATABASE_URL: `sqlite://${directory}/holdfast.db`,
    HOLDFAST_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32)
      .map((_, index) => index)
      .toString("base64")}`,
    HOLDFAST_ALLOWED_ORIGINS: origin,
    HOLDFAST_DRAIN_S: "0",
    CLERK_ISSUER: (await dev.control("state")).issuer,
    CLERK_JWKS_URL: `${dev.clerk}/.well-known/jwks.json`,
    ...more,
  };
  const serve = start(BINARY, ["serve"], { env: environment, cwd: directory });
  await until("holdfast serve", serve, async () => (await fetch(url)).ok);
  return { url, directory, environment, ...serve };
}
