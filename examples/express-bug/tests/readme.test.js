/** The README's lines, as they stand but for the ports: the 401, and its absence both ways. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  endAll,
  freePort,
  scratch,
  start,
  startDev,
  until,
} from "../../../tests/backends/support/processes.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));
let directory, ports, environment, lines;

before(async () => {
  const dev = await startDev("https://app.example.com");
  directory = scratch();
  ports = { 8080: new URL(dev.url).port, 8081: new URL(dev.clerk).port };
  for (const port of [3000, 3001, 8000]) ports[port] = await freePort();
  for (const file of ["public", "server.js", "server-cured.js"])
    symlinkSync(`${here}${file}`, `${directory}/${file}`);
  writeFileSync(`${directory}/nginx.conf`, withPorts(readFileSync(`${here}nginx.conf`, "utf8")));
  const KEY = await until(
    "the service key",
    dev,
    () => /^KEY=(hf_sk_\S+)$/m.exec(dev.output())?.[1],
  );
  environment = { PATH: `${process.env.PATH}:/usr/sbin`, TMPDIR: directory, KEY };
  const fenced = withPorts(readFileSync(`${here}README.md`, "utf8")).matchAll(/```sh\n([^]*?)```/g);
  const blocks = Array.from(fenced, ([, block]) => block.trim());
  const [first, backend, ask, nginx, askNginx, cured, askCured] = blocks;
  assert.deepEqual([blocks.length, first], [7, "holdfast dev"]);
  lines = { backend, ask, nginx, askNginx, cured, askCured };
});
after(endAll);

const withPorts = (text) => text.replace(/\b(8080|8081|3000|3001|8000)\b/g, (port) => ports[port]);

/** The last line of a block, which runs until it is stopped; what npm runs is run without it. */
async function startLine(block, port) {
  const line = block
    .split("\n")
    .at(-1)
    .replace("npm start", scripts.start)
    .replace("npm run cured", scripts.cured);
  const options = { cwd: directory, env: environment };
  const started = start("bash", ["-c", `export PORT=${ports[3000]}; exec env ${line}`], options);
  await until(line, started, async () => (await fetch(`http://127.0.0.1:${ports[port]}/`)).status);
}

/** What the lines print: a status for each route. */
function run(script) {
  const stdio = ["ignore", "pipe", "inherit"];
  const options = { cwd: directory, env: environment, encoding: "utf8", stdio };
  return execFileSync("bash", ["-euc", script], options).match(/^\d+ /gm).map(Number);
}

test("before: one route refuses the token that its neighbours accept", async () => {
  await startLine(lines.backend, 3000);
  assert.deepEqual(run(lines.ask), [200, 200, 401]);
});

test("the first way out: a few lines of a proxy's configuration", async () => {
  await startLine(lines.nginx, 8000);
  assert.deepEqual(run(`${lines.ask}\n${lines.askNginx}`).slice(3), [200, 200, 200]);
});

test("the second way out: the middleware", async () => {
  await startLine(lines.cured, 3001);
  assert.deepEqual(run(`${lines.ask}\n${lines.askCured}`).slice(3), [200, 200, 200]);
});
