/**
 * A fresh project for each client, made from the package's own file and its README alone: it works
 * with the real Holdfast.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BINARY } from "../browser/support/holdfast.js";
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
const WEBHOOK_SECRET = `whsec_${Buffer.from("a secret of thirty-two bytes ok!").toString("base64")}`;
let dev, holdfast;

before(async () => {
  dev = await startDev(ORIGIN);
  holdfast = await startServe(dev, ORIGIN);
});
after(endAll);

/** The blocks of that language in a README. */
function blocks(readme, language) {
  const text = readFileSync(`${root}${readme}`, "utf8");
  const fenced = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g");
  return Array.from(text.matchAll(fenced), ([, block]) => block);
}

/** The first of them, with Holdfast's address in place of the one it names. */
function firstBlock(readme, language) {
  const [block] = blocks(readme, language);
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

/** The README's route for events takes every type of them, and nothing else. */
async function takesEvents(app, route) {
  await until("the README's app for events", app, () => fetch(route));
  const status = { state: "connected" };
  for (const [type, data] of [
    ["instagram.status", { user_id: USER, status }],
    ["instagram.expiring_soon", { user_id: USER, status }],
    ["incident.began", { provider: "instagram" }],
    ["incident.ended", { provider: "instagram" }],
  ]) {
    const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const key = Buffer.from(WEBHOOK_SECRET.slice("whsec_".length), "base64");
    const signature = createHmac("sha256", key).update(`evt_1.${timestamp}.${body}`);
    const headers = {
      "content-type": "application/json",
      "webhook-id": "evt_1",
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature.digest("base64")}`,
    };
    const answer = await fetch(route, { method: "POST", headers, body });
    assert.equal(answer.status, 204, `${type}: ${await answer.text()}`);
  }
  const forged = await fetch(route, { method: "POST", body: "{}" });
  assert.equal(forged.status, 400, await forged.text());
  // What it prints comes by another way than its answers.
  const printed = () => app.output().match(new RegExp(`${USER} connected`, "g"));
  await until("the line of the README's app for events", app, printed);
  assert.equal(printed().length, 1, app.output());
}

test("the README's lines for the encryption key make one, once, and git leaves it out", async () => {
  const directory = scratch();
  const bin = join(directory, "bin");
  mkdirSync(bin);
  symlinkSync(BINARY, join(bin, "holdfast"));
  const [lines] = blocks("README.md", "sh").filter((each) => each.includes("keys generate"));
  const shell = (script) =>
    execFileSync("bash", ["-euc", script], {
      cwd: directory,
      env: { PATH: `${bin}:${process.env.PATH}`, CLERK_ISSUER: "https://clerk.example.com" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  // Each time in a shell of its own, as another day brings one.
  const told = [1, 2].map(() => shell(`${lines}\nholdfast migrate; holdfast keys status`));
  const [first, second] = told.map((each) => each.match(/^.*\bseals\b.*$/m)?.[0]);
  assert.ok(first, told[0]);
  assert.equal(second, first);
  assert.equal(statSync(join(directory, "encryption_keys")).mode & 0o777, 0o600);
  const left = ["holdfast/encryption_keys", "holdfast/holdfast.toml", "holdfast.db.journal/x"];
  const ignored = (names) => () =>
    execFileSync("git", ["check-ignore", "--no-index", ...names], { cwd: root, encoding: "utf8" });
  assert.equal(ignored(left)(), `${left.join("\n")}\n`);
  assert.throws(ignored(["deploy/holdfast.toml"]), { status: 1 });
});

test("Node: npm pack, npm install, the README's first block and its webhooks", async () => {
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

  const another = await freePort();
  const [events] = blocks("clients/node/README.md", "js").filter((each) =>
    each.includes("verifyWebhook"),
  );
  writeFileSync(
    join(project, "events.js"),
    `import express from "express";
    import { createHoldfast } from "holdfast-backend";
    const [url, app] = [${JSON.stringify(holdfast.url)}, express()];
    ${events}
    app.listen(${another}, "127.0.0.1");`,
  );
  const env = { ...process.env, HOLDFAST_WEBHOOK_SECRET: WEBHOOK_SECRET };
  const receiver = start(process.execPath, ["events.js"], { cwd: project, env });
  await takesEvents(receiver, `http://127.0.0.1:${another}/holdfast-events`);
});

test("Python: python -m build, pip install, the README's first block and its webhooks", async () => {
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
  const env = {
    ...process.env,
    PYTHONPATH: join(project, "site"),
    PYTHONUNBUFFERED: "1",
    HOLDFAST_WEBHOOK_SECRET: WEBHOOK_SECRET,
  };
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

  const another = await freePort();
  const block = (text) =>
    blocks("clients/python/README.md", "python").find((each) => each.includes(text));
  writeFileSync(
    join(project, "events.py"),
    `import os, flask, waitress
from holdfast_backend import Holdfast, WebhookError, verify_webhook
from holdfast_backend.flask import judge_requests
app = flask.Flask(__name__)
CORS = lambda app: None
holdfast = Holdfast(${JSON.stringify(holdfast.url)})
${block("judge_requests(app, holdfast, public")}
${block("# Flask\n@app.post")}
waitress.serve(app, host="127.0.0.1", port=${another})`,
  );
  const receiver = start(python, ["events.py"], { cwd: project, env });
  await takesEvents(receiver, `http://127.0.0.1:${another}/holdfast-events`);
  await works(receiver, `http://127.0.0.1:${another}/posts`);

  const third = await freePort();
  writeFileSync(
    join(project, "django_events.py"),
    `import os, sys, django.conf, django.core.wsgi, waitress
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from holdfast_backend import Holdfast, WebhookError, verify_webhook
from holdfast_backend.django import judging
holdfast = Holdfast(${JSON.stringify(holdfast.url)})
${block("judging(holdfast, public")}
${block("# Django\n@csrf_exempt")}
posts = csrf_exempt(lambda request: JsonResponse({"for": request.caller.user_id}))
urlpatterns = [path("holdfast-events", holdfast_events), path("posts", posts)]
sys.modules["django_events"] = sys.modules["__main__"]
django.conf.settings.configure(
    ALLOWED_HOSTS=["*"], SECRET_KEY="x", ROOT_URLCONF="django_events",
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "django_events.judge"],
)
waitress.serve(django.core.wsgi.get_wsgi_application(), host="127.0.0.1", port=${third})`,
  );
  const django = start(python, ["django_events.py"], { cwd: project, env });
  await takesEvents(django, `http://127.0.0.1:${third}/holdfast-events`);
  await works(django, `http://127.0.0.1:${third}/posts`);
});
