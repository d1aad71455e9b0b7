/**
 * The real binary, as `holdfast dev` runs it: the server, both stand-ins and the demo page on free
 * ports.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { answers } from "./answers.js";
import { Secrets } from "./leaks.js";

/** The server's program. */
export const BINARY =
  process.env.HOLDFAST_BIN ??
  fileURLToPath(new URL("../../../target/debug/holdfast", import.meta.url));

/** `holdfast dev` takes the ports after its own as well. */
const APART = 8;
const given = [];

/**
 * A port of loopback that is free, and stays so until it is used: it lies below those that systems
 * hand out by themselves, to connections and to whoever listens on port 0, and away from those that
 * this process was given before.
 */
export async function freePort() {
  for (;;) {
    const wanted = randomInt(10_240, 32_768);
    if (given.some((other) => Math.abs(other - wanted) < APART)) continue;
    const server = createServer().listen(wanted, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue; // somebody has it
    }
    const { port } = server.address();
    server.close();
    await once(server, "close");
    given.push(port);
    return port;
  }
}

/**
 * Starts the binary; `stop` ends it. What it printed is in `output()`. Pages of `origins` may call
 * it, beside its own. It logs everything, and `stop` fails where that holds one of `secrets`: what
 * its users carry is added to them by `watch`.
 *
 * @param {{origins?: string[]}} [options]
 */
export async function startHoldfast({ origins = [] } = {}) {
  if (!existsSync(BINARY)) {
    throw new Error(
      `There is no ${BINARY}: run \`cargo build\` first, or set HOLDFAST_BIN to the binary.`,
    );
  }
  const port = await freePort();
  const child = spawn(
    BINARY,
    ["dev", "--port", String(port), ...origins.flatMap((origin) => ["--origin", origin])],
    {
      env: { ...process.env, HOLDFAST_LOG: "trace" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let [output, log] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (log += chunk));
  const ended = once(child, "exit");
  const end = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  const secrets = new Secrets();
  const seen = [];
  /** Of a Playwright context. A request that its page left behind has no headers any more. */
  const watch = (context) =>
    context.on("request", (request) => seen.push(secrets.addFrom(request).catch(() => {})));
  const stop = async () => {
    await end();
    await Promise.all(seen);
    secrets.assertNoneIn(log);
  };
  try {
    const config = await (await answers(`http://127.0.0.1:${port}/dev/config.json`, child)).json();
    /** The person removes the app at Instagram, and Instagram says so. */
    const deauthorize = async (handle) => {
      const response = await fetch(`${config.instagram_url}/dev/deauthorize`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ account: handle }),
      });
      if (!response.ok) throw new Error(`deauthorize: ${response.status}`);
    };
    return { config, url: config.public_url, output: () => output + log, watch, deauthorize, stop };
  } catch (error) {
    if (child.exitCode === null) await end();
    throw new Error(`holdfast dev did not start: ${error.message}\n${output}${log}`, {
      cause: error,
    });
  }
}
