/** A fresh project for each client, made from the package's own file and its README alone: it works with the real Holdfast. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ask } from "./support/doors.js";
import {
  endAll,
  freePort,
  python,
  root,
  scratch,
  start,
  startDev,
  startServe,
  until,
} from "./support/processes.js";

const ORIGIN = "https://app.example.com";
const USER = "user_2ada1815aNaLyticaLengiNe0aA";
let dev, holdfast;

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN);
});
after(endAll);

/** The first block of that language in a README, with Holdfast's address in place of the one it names. */
function firstBlock(readme, language) {
  const text = readFileSync(`${root}${readme}`, "utf8");
  const block = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)[1];
  assert.ok(block.includes('"http://127.0.0.1:8080"'), readme);
  return block.replace('"http://127.0.0.1:8080"', JSON.stringify(holdfast.url));
}

/** The README's route answers those who are known, and refuses the others in Holdfast's words. */
async function works(app, posts) {
  await until("the README's app", app, () => fetch(posts));
  const { jwt } = await dev.control("mint", { case: "genuine", azp: ORIGIN });
  const known = await ask(posts, `Bearer ${jwt}`);
  assert.deepEqual([known.status, JSON.parse(known.body)], [200, { for: USER }]);
  for (const [authorization, code] of [
    [undefined, "session-token-missing"],
    ["Bearer null", "token-invalid"],
  ]) {
    const refused = await ask(posts, authorization);
    assert.deepEqual([refused.status, refused.code], [401, code]);
  }
}

test("Node: npm pack, npm install, and the README's first block", async () => {
  const project = scratch();
  const run = (...args) => execFileSync("npm", args, { cwd: project, encoding: "utf8" });
  const [{ filename }] = JSON.parse(run("pack", "--json", `${root}clients/node`));
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  run(
    "install",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--prefer-offline",
    `./${filename}`,
    "express@5.3.0",
  );
  const port = await freePort();
  const block = firstBlock("clients/node/README.md", "js");
  assert.ok(block.includes("app.listen(3000)"));
  writeFileSync(join(project, "app.js"), block.replace("3000", `${port}, "127.0.0.1"`));
  const app = start(process.execPath, ["app.js"], { cwd: project });
  await works(app, `http://127.0.0.1:${port}/api/posts`);
});

test("Python: python -m build, pip install, and the README's first block", async () => {
  const project = scratch();
  const run = (...args) =>
    execFileSync(python, args, { cwd: project, encoding: "utf8", stdio: "pipe" });
  run("-m", "build", "--no-isolation", "--wheel", "--outdir", project, `${root}clients/python`);
  const [wheel] = readdirSync(project).filter((each) => each.endsWith(".whl"));
  // Only the client comes from its file; FastAPI is what the tests have installed.
  run(
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-index",
    "--no-deps",
    "--target",
    join(project, "site"),
    wheel,
  );
  writeFileSync(join(project, "app.py"), firstBlock("clients/python/README.md", "python"));
  const port = await freePort();
  const env = { ...process.env, PYTHONPATH: join(project, "site") };
  const where = execFileSync(python, ["-c", "import holdfast_backend as h; print(h.__file__)"], {
    cwd: project,
    env,
    encoding: "utf8",
  });
  assert.ok(where.startsWith(project), where);
  const app = start(python, ["-m", "uvicorn", "app:app", "--port", String(port)], {
    cwd: project,
    env,
  });
  await works(app, `http://127.0.0.1:${port}/posts`);
});
