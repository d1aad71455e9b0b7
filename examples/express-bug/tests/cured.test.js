/** The 401 before, and its absence after, both ways. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  endAll,
  freePort,
  root,
  scratch,
  start,
  startServe,
  startDev,
  until,
} from "../../../tests/backends/support/processes.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const ORIGIN = "https://app.example.com";
const PATHS = ["/user/profile", "/posts", "/user/instagram/status"];
let dev, holdfast;

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN);
});
after(endAll);

/** For each use anew: it is good for a minute. */
async function authorized() {
  const { jwt } = await dev.control("mint", { case: "genuine", azp: ORIGIN });
  return { headers: { authorization: `Bearer ${jwt}` } };
}

async function startBackend(script, more) {
  const backend = start(process.execPath, [script], {
    cwd: here,
    env: { PATH: process.env.PATH, PORT: "0", ...more },
  });
  return Number(await until(script, backend, () => /listening (\d+)/.exec(backend.output())?.[1]));
}

async function statuses(port) {
  const options = await authorized();
  const all = PATHS.map((path) => fetch(`http://127.0.0.1:${port}${path}`, options));
  return Promise.all(
    (await Promise.all(all)).map(async (answer) => [answer.status, await answer.json()]),
  );
}

const startBuggy = () =>
  startBackend("server.js", {
    CLERK_JWKS_URL: holdfast.environment.CLERK_JWKS_URL,
    CLERK_ISSUER: holdfast.environment.CLERK_ISSUER,
  });

test("before: one route refuses the token that its neighbours accept", async () => {
  const answers = await statuses(await startBuggy());
  assert.deepEqual(
    answers.map(([status]) => status),
    [200, 200, 401],
  );
});

test("the first way out: a few lines of a proxy's configuration", async () => {
  const [port, directory, backend] = [await freePort(), scratch(), await startBuggy()];
  const configuration = readFileSync(`${here}/nginx.conf`, "utf8");
  assert.ok(
    configuration
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("#")).length <= 10,
  );
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (each) => `${each}_temp_path ${directory}/${each};`,
  );
  const text = configuration
    .replace("127.0.0.1:8000", `127.0.0.1:${port}`)
    .replace("127.0.0.1:8080", new URL(holdfast.url).host)
    .replace("127.0.0.1:3000", `127.0.0.1:${backend}`)
    .replace("http {", `http { access_log off; ${temporary.join(" ")}`);
  writeFileSync(`${directory}/nginx.conf`, text);
  const user = process.getuid() === 0 ? "user root; " : "";
  const globals = `${user}daemon off; pid ${directory}/pid; error_log stderr;`;
  const nginx = start("nginx", ["-p", directory, "-c", `${directory}/nginx.conf`, "-g", globals]);
  await until("nginx", nginx, async () => (await fetch(`http://127.0.0.1:${port}/`)).ok);
  const answers = await statuses(port);
  assert.deepEqual(
    answers.map(([status]) => status),
    [200, 200, 200],
  );
  // The status is Holdfast's, with a state and what to do about it.
  assert.ok(
    ["unavailable", "not_connected"].includes(answers[2][1].state),
    JSON.stringify(answers[2][1]),
  );
});

test("the second way out: the middleware", async () => {
  const binary = process.env.HOLDFAST_BIN ?? `${root}target/debug/holdfast`;
  const made = execFileSync(binary, ["service-key", "create", "--name", "example"], {
    env: holdfast.environment,
    cwd: holdfast.directory,
    encoding: "utf8",
  });
  const key = /hf_sk_[\w-]+/.exec(made)[0];
  const port = await startBackend("server-cured.js", {
    HOLDFAST_URL: holdfast.url,
    HOLDFAST_SERVICE_KEY: key,
  });
  // Known to Holdfast from the first call on.
  await fetch(`${holdfast.url}/user/profile`, await authorized());
  const answers = await statuses(port);
  assert.deepEqual(
    answers.map(([status]) => status),
    [200, 200, 200],
    JSON.stringify(answers),
  );
  assert.equal(answers[0][1].id, answers[1][1].for);
});
