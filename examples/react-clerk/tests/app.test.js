/**
 * The example in Chromium: signing in, connecting, coming back, another tab's change, signing out.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { launch, until } from "../../../clients/js/tests/browser/support/browser.js";
import {
  connected,
  json,
  startScriptedServer,
} from "../../../clients/js/tests/support/scripted-server.js";
import { startVite } from "./support/vite.js";

let holdfast;
let clerk;
let vite;
let browser;

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Lets Grace in; until then her sign-in is under way. */
let letGraceIn;
const graceMayEnter = new Promise((resolve) => (letGraceIn = resolve));

/** The two routes of Clerk's stand-in that a page uses. */
async function startClerk() {
  const server = createHttpServer(async (request, response) => {
    const body = await text(request);
    if (request.method === "OPTIONS") return json(response, 204, {});
    if (request.url === "/v1/dev/sign-in") {
      const { user } = JSON.parse(body);
      if (user === "grace") await graceMayEnter;
      return json(response, 200, { session_id: `sess_${user}`, user: { id: `user_${user}` } });
    }
    const [, sid] = /^\/v1\/client\/sessions\/(\w+)\/tokens$/.exec(request.url) ?? [];
    if (!sid) return json(response, 404, {});
    const exp = Math.floor(Date.now() / 1_000) + 60;
    json(response, 200, {
      jwt: `${base64url({ alg: "RS256" })}.${base64url({ sub: sid.replace("sess", "user"), sid, exp })}.sig`,
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

const users = {
  user_ada: { first_name: "Ada", last_name: "Lovelace", email: "ada@example.com" },
  user_grace: { first_name: "Grace", last_name: "Hopper", email: "grace@example.com" },
};
const userOf = (authorization) =>
  users[JSON.parse(Buffer.from(authorization.split(".")[1], "base64url")).sub];

before(async () => {
  holdfast = await startScriptedServer();
  clerk = await startClerk();
  holdfast.script("POST /auth/sync", (request, response) =>
    json(response, 200, { user: userOf(request.headers.authorization), created: true }),
  );
  vite = await startVite({ VITE_HOLDFAST_URL: holdfast.url, VITE_CLERK_STANDIN_URL: clerk.url });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await vite?.close();
  clerk?.close();
  await holdfast?.close();
});

test("from signing in to signing out", async () => {
  const { home } = vite;
  const page = await browser.newPage();
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  const shows = (text) => page.getByText(text).first().waitFor();

  await page.goto(home);
  await page.getByRole("button", { name: "Continue as Ada" }).click();
  await shows("Ada Lovelace");
  await shows("Connect Instagram to offer new journal pages there.");

  holdfast.state.authorizeUrl = `${home}?instagram=complete&attempt=a1&completion=s3cret`;
  await page.getByRole("button", { name: "Connect Instagram" }).click();
  await shows("@ada.makes");
  await shows("New journal pages are offered to your Instagram account.");
  assert.doesNotMatch(page.url(), /s3cret/);
  assert.equal(
    holdfast.requests.find(({ route }) => route === "POST /user/instagram/connect").body.return_to,
    home,
  );

  await until(() => holdfast.streams.size > 0, "a stream");
  holdfast.announce({
    ...connected,
    connected: false,
    state: "reconnect_required",
    reason: "revoked",
    error: "The access was removed at Instagram: connect again.",
    action: "reconnect",
    version: 9,
  });
  await shows("The access was removed at Instagram: connect again.");
  await shows("New journal pages wait until your Instagram account works again.");
  holdfast.announce({
    ...connected,
    state: "degraded",
    reason: "rate_limited",
    action: "wait",
    version: 10,
  });
  await shows("New journal pages are offered to your Instagram account, later than usual.");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await until(() => holdfast.streams.size === 0, "the end of the stream");
  assert.deepEqual(troubles, []);
});

test("a browser that forbids storage: signing in works, for as long as the page is open", async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.addInitScript(() => {
    const get = () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    };
    for (const name of ["sessionStorage", "localStorage"])
      Object.defineProperty(window, name, { configurable: true, get });
  });
  await page.goto(vite.home);
  await page.getByRole("button", { name: "Continue as Ada" }).click();
  await page.getByText("Ada Lovelace").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

for (const [what, answer, says] of [
  ["does not answer", (route) => route.abort(), /Nobody answers at http/],
  [
    "answers otherwise",
    (route) => route.fulfill({ status: 500, headers: { "access-control-allow-origin": "*" } }),
    /answered with status 500/,
  ],
])
  test(`a stand-in that ${what}: the page says that`, async (t) => {
    const page = await browser.newPage();
    t.after(() => page.close());
    await page.route("**/v1/dev/sign-in", (route) =>
      route.request().method() === "OPTIONS" ? route.fallback() : answer(route),
    );
    await page.goto(vite.home);
    await page.getByRole("button", { name: "Continue as Ada" }).click();
    await page.getByRole("alert").getByText(says).waitFor();
  });

test("another session in the place of the first: nothing of the first stays", async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(vite.home);
  await page.getByRole("button", { name: "Continue as Ada" }).waitFor();
  await page.evaluate(() => {
    for (const button of document.querySelectorAll(".people button"))
      if (/Ada|Grace/.test(button.textContent)) button.click();
  });
  await page.getByText("Ada Lovelace").waitFor();
  letGraceIn();
  await page.getByText("Grace Hopper").waitFor({ timeout: 10_000 });
  assert.equal(await page.getByText("Ada Lovelace").count(), 0);
});

test("a publishable key makes it real Clerk: the stand-in is gone, and the key's own instance is asked", async (t) => {
  const instance = "clerk.papertrail.example";
  const vite = await startVite({
    VITE_CLERK_PUBLISHABLE_KEY: `pk_test_${Buffer.from(`${instance}$`).toString("base64")}`,
    VITE_HOLDFAST_URL: holdfast.url,
  });
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    await vite.close();
  });
  const asked = [];
  await page.route(/^https:/, (route) => {
    asked.push(new URL(route.request().url()).host);
    return route.abort();
  });
  await page.goto(vite.home);
  await until(() => asked.length > 0, "a request to Clerk");
  assert.deepEqual([...new Set(asked)], [instance]);
  assert.doesNotMatch(await page.locator("body").innerText(), /Development only|Continue as/);
});

for (const [what, fault, says] of [
  ["in trouble", "503", "The server is having trouble."],
  ["of another mind about the session", "401", "your requests are refused"],
]) {
  test(`the server is ${what}: what is not known is said to be unknown`, async (t) => {
    const context = await browser.newContext();
    t.after(async () => {
      holdfast.state.fault = null;
      await context.close();
    });
    holdfast.state.fault = fault;
    const page = await context.newPage();
    await page.goto(vite.home);
    await page.getByRole("button", { name: "Continue as Ada" }).click();
    await page.getByText(says).first().waitFor();
    await page.getByText("is not known right now").first().waitFor();
    assert.doesNotMatch(await page.locator("body").innerText(), /Connect Instagram to offer/);
  });
}
