/** A page of one's own at `holdfast dev`, with the sign-in of the browser client's README. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { consent } from "./support/demo.js";
import { freePort, startHoldfast } from "./support/holdfast.js";
import { startChromium } from "./support/visit.js";

const client = new URL("../../clients/js/", import.meta.url);

const HTML = `<!doctype html>
<title>A page of one's own</title>
<button id="sign-in">Sign in</button>
<button id="connect">Connect</button>
<p id="state"></p>
<script type="module" src="/page.js"></script>`;

const pageFor = (holdfast) => `
import { createHoldfastClient } from "/holdfast/holdfast-client.js";
import { getSessionId, getToken, signIn } from "/sign-in.js";
const client = createHoldfastClient({ baseUrl: "${holdfast.url}", getToken, getSessionId });
document.querySelector("#sign-in").onclick = () => signIn("ada");
document.querySelector("#connect").onclick = () => client.connect();
client.completeFromUrl();
client.subscribe(({ phase, status }) => {
  const name = getSessionId() ? "somebody" : "nobody";
  document.querySelector("#state").textContent = name + ": " + (status?.state ?? phase);
});`;

let holdfast, browser, server, origin;
before(async () => {
  const port = await freePort();
  origin = `http://localhost:${port}`;
  holdfast = await startHoldfast({ origins: [origin] });
  browser = await startChromium();
  const [, signIn] = readFileSync(new URL("README.md", client), "utf8").match(
    /```js\n(\/\/ sign-in\.js\n[^]*?)```/,
  );
  const files = {
    "/page.js": pageFor(holdfast),
    "/sign-in.js": signIn.replace("http://127.0.0.1:8081", holdfast.config.clerk_url),
  };
  server = createServer(({ url }, response) => {
    const { pathname } = new URL(url, origin);
    const isScript = pathname.endsWith(".js");
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    const source = () => readFileSync(new URL(pathname.replace("/holdfast/", "src/"), client));
    response.end(files[pathname] ?? (isScript ? source() : HTML));
  }).listen(port, "localhost");
  await once(server, "listening");
});
after(async () => {
  server?.closeAllConnections();
  server?.close();
  await browser?.close();
  await holdfast?.stop();
});

test("signs in at the stand-in, connects, and is still signed in when it comes back", async () => {
  const context = await browser.newContext();
  holdfast.watch(context);
  const page = await context.newPage();
  const shows = (text) => page.getByText(text, { exact: true }).waitFor();
  await page.goto(`${origin}/settings`);
  await shows("nobody: signed-out");
  await page.getByRole("button", { name: "Sign in" }).click();
  await shows("somebody: not_connected");
  await page.getByRole("button", { name: "Connect" }).click();
  await consent.account(page, "ada.makes").check();
  await consent.approve(page).click();
  await shows("somebody: connected");
  assert.equal(page.url(), `${origin}/settings`);
  await context.close();
});
