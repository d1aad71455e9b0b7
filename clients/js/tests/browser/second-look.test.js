/**
 * What a second look at the page found: focus, double presses, pictures, languages, routers,
 * popups, pages without a framework.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readmeBlock } from "../support/code-blocks.js";
import { sentences } from "../support/reference.js";
import { connected, json, notConnected, problem } from "../support/scripted-server.js";
import { count, launch, openApp, shows, until } from "./support/browser.js";

const CONNECT = "POST /user/instagram/connect";
const CHECK = "POST /user/instagram/check";
const DISCONNECT = "DELETE /user/instagram";
const COMPLETE = "POST /user/instagram/connect/a1/complete";
const CALLBACK = { instagram: "complete", attempt: "a1", completion: "s3cret" };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The text of what has the focus; none where nothing has it, which is then on the whole page. */
const focused = (app) =>
  app.page.evaluate(
    () => document.activeElement !== document.body && document.activeElement.textContent,
  );
const isConnected = ({ server }) => (server.state.status = connected);

test("Enter on Connect, and 429: the focus stays, and the next Enter is the next attempt", async (t) => {
  const app = await openApp(t, { browser });
  await shows(app, /Not connected/);
  app.server.script(CONNECT, (request, response) => problem(response, 429, "too-many-attempts"));
  for (let press = 1; press <= 2; press += 1) {
    await app.page.getByRole("button", { name: "Connect Instagram" }).focus();
    await app.page.keyboard.press("Enter");
    await until(() => count(app, CONNECT) === press, "the attempt");
    // Time passes only once the answer is there: the pause begins with it.
    await until(async () => {
      await app.pass(1_000);
      return (await focused(app)) === "Connect Instagram";
    }, "the button again, focused");
  }
});

test("a double click on the confirmation is one request, and the focus moves on to what is there then", async (t) => {
  const app = await openApp(t, { browser, prepare: isConnected });
  await shows(app, /@ada\.makes/);
  await app.page.locator("summary").click();
  await app.page.getByRole("button", { name: "Yes, disconnect Instagram" }).dblclick();
  await shows(app, /Not connected/);
  assert.equal(count(app, DISCONNECT), 1);
  await until(async () => (await focused(app)) === "Connect Instagram", "the focus");
});

test("three presses of Check again are one request, and the button says that it is at work", async (t) => {
  const blocked = {
    ...connected,
    connected: false,
    state: "action_required",
    reason: "checkpoint",
    action: "fix_at_instagram",
  };
  const app = await openApp(t, {
    browser,
    prepare: ({ server }) => (server.state.status = blocked),
  });
  await shows(app, /Check again/);
  let answer;
  app.server.script(
    CHECK,
    (request, response) => (answer = () => json(response, 200, { ...connected, version: 3 })),
  );
  const button = app.page.locator(".hf-actions > button");
  await button.evaluate((element) => [1, 2, 3].forEach(() => element.click()));
  await shows(app, /One moment…/);
  await until(() => answer, "the check");
  answer();
  await shows(app, /Connected/);
  assert.equal(count(app, CHECK), 1);
  await until(async () => /^InstagramConnected/.test(await focused(app)), "the focus on the card");
});

test("Enter on Try again, and all is well: the focus stays within, though nothing is left to press", async (t) => {
  const app = await openApp(t, { browser, fault: "503", prepare: isConnected });
  const retry = app.page.getByRole("button", { name: "Try again" });
  await retry.focus();
  app.server.state.fault = null;
  await app.page.keyboard.press("Enter");
  await shows(app, /@ada\.makes/);
  await until(async () => /^InstagramConnected/.test(await focused(app)), "the focus on the card");
});

/** Back from Instagram with an account that is refused, whoever is connected. */
const openWith = (t, code, status) =>
  openApp(t, {
    browser,
    query: CALLBACK,
    prepare: ({ server }) => {
      server.state.status = status;
      server.state.authorizeUrl = "data:text/html,Instagram";
      server.script(COMPLETE, (request, response) => problem(response, 409, code));
    },
  });
const takesAnyAccount = async (app) => {
  await until(() => count(app, CONNECT) === 1, "the attempt");
  const { body } = app.requests().find(({ route }) => route === CONNECT);
  assert.equal(body.force_reauth, true);
  assert.equal(body.expect, "any_account", "or another is refused once more, round and round");
};

test("the wrong account came back: another can be chosen, Instagram asks for it, and it is taken", async (t) => {
  const app = await openWith(t, "account-belongs-to-another-user", notConnected);
  await app.page.getByRole("button", { name: "Use another account" }).click();
  await takesAnyAccount(app);
});

test("nothing takes the place of a connected account before a second press has said so", async (t) => {
  const app = await openWith(t, "different-account", connected);
  const summary = app.page.locator("summary", { hasText: "Use another account" });
  await summary.click();
  const confirm = app.page.getByRole("button", { name: "Yes, replace the account shown" });
  await confirm.waitFor();
  await summary.click(); // not after all
  await confirm.waitFor({ state: "hidden" });
  await app.pass(1_000);
  assert.equal(count(app, CONNECT), 0);
  await app.page.keyboard.press("Enter");
  await app.page.keyboard.press("Tab");
  await app.page.keyboard.press("Enter");
  await takesAnyAccount(app);
});

test("an account that Instagram does not admit: it says so once, and once admitted a press connects", async (t) => {
  const reason = "account_not_admitted";
  const app = await openApp(t, {
    browser,
    query: CALLBACK,
    prepare: ({ server }) => {
      server.state.authorizeUrl = "data:text/html,Instagram";
      server.script(COMPLETE, (request, response) => {
        const error = sentences[reason];
        const status = { ...notConnected, reason, action: "contact_support", error, version: 3 };
        server.state.status = status;
        problem(response, 424, reason, { source: "instagram", reason });
      });
    },
  });
  await shows(app, /does not let this app use this account/);
  await until(async () => (await app.text()).match(/Contact support/g).length === 1, "once");
  await app.page.getByRole("button", { name: "Connect Instagram" }).click();
  await until(() => count(app, CONNECT) === 1, "the attempt");
});

for (const [what, url] of [
  ["missing", null],
  ["expired", "/no-such-picture.png"],
]) {
  test(`a picture that is ${what}: initials, and no gap`, async (t) => {
    const account = { ...connected.account, name: "Ada Lovelace", profile_picture_url: url };
    const app = await openApp(t, {
      browser,
      prepare: ({ server }) => (server.state.status = { ...connected, account }),
    });
    await shows(app, /@ada\.makes/);
    const picture = app.page.locator(".hf-picture");
    await until(async () => (await picture.innerText()) === "AL", "initials");
    assert.equal(await picture.locator("img").count(), 0);
  });
}

test("a name of blanks: the handle's initial; from right to left: it turns nothing around", async (t) => {
  const account = { ...connected.account, name: "  " };
  const app = await openApp(t, {
    browser,
    prepare: ({ server }) => (server.state.status = { ...connected, account }),
  });
  await shows(app, /@ada\.makes/);
  assert.equal(await app.page.locator(".hf-picture").innerText(), "A");
  assert.equal(await app.page.locator(".hf-connection").getAttribute("dir"), "ltr");
  await until(() => app.server.streams.size === 1, "the stream");
  const name = "עדה לאבלייס";
  app.server.announce({ ...connected, account: { ...account, name }, version: 3 });
  await shows(app, /עדה/);
  assert.deepEqual(
    await app.page
      .locator(".hf-account bdi")
      .evaluateAll((parts) => parts.map(({ dir, textContent }) => [dir, textContent])),
    [
      ["ltr", "@ada.makes"],
      ["", name],
    ],
  );
});

/**
 * As a browser's translation does: each text of the page gives way to elements that hold another
 * one.
 */
function translate() {
  const all = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      if (!text.nodeValue.trim() || text.parentElement.closest("font")) continue;
      const font = document.createElement("font");
      font.append(text.nodeValue);
      text.replaceWith(font);
    }
  };
  addEventListener("DOMContentLoaded", () => {
    const what = { subtree: true, childList: true, characterData: true };
    new MutationObserver(all).observe(document.body, what);
  });
}

test("a page that the browser translates stands whatever changes, and says what is true", async (t) => {
  const app = await openApp(t, {
    browser,
    prepare: async ({ page, server }) => {
      server.state.status = connected;
      await page.addInitScript(translate);
    },
  });
  await shows(app, /A\s+@ada\.makes Ada\s+Last confirmed/);
  await until(() => app.server.streams.size === 1, "the stream");
  const picture =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E";
  const { account, evidence, version } = connected;
  for (const [step, [change, says]] of [
    [{ account: { ...account, profile_picture_url: picture } }, /Connected\s+@ada\.makes Ada/],
    [{ account: { ...account, name: null } }, /A\s+@ada\.makes\s+Last confirmed/],
    [{}, /A\s+@ada\.makes Ada\s+Last confirmed/],
    [
      { ...notConnected, state: "reconnect_required", reason: "revoked", account, evidence },
      /Reconnect needed[^]*@ada\.makes Ada\s+Noticed/,
    ],
    [notConnected, /Not connected\s+Connect your/],
  ].entries()) {
    app.server.announce({ ...connected, ...change, version: version + 1 + step });
    await shows(app, says);
  }
});

test("a German browser reads one language: English, unless the app gives German", async (t) => {
  const app = await openApp(t, { browser, options: { locale: "de-DE" }, prepare: isConnected });
  await shows(app, /Last confirmed Nov 20, 2026, \d+:00\s[AP]M/);
});

test("the session was refused, and the server is mended: one press, one request, and all is well", async (t) => {
  const app = await openApp(t, { browser, fault: "401" });
  await shows(app, /your requests are refused/);
  const press = () => app.page.getByRole("button", { name: "Try again" }).click();
  for (let presses = 1; presses <= 2; presses += 1) {
    const before = app.requests().length;
    await press();
    await until(() => app.requests().length === before + 1, "one request");
    await app.pass(10_000);
    assert.equal(app.requests().length, before + 1);
  }
  app.server.state.fault = null;
  await press();
  await shows(app, /Not connected/);
});

test("back while the server cannot take it, and reloaded: it says so, goes on, and never that one should start again", async (t) => {
  const app = await openApp(t, {
    browser,
    query: CALLBACK,
    prepare: ({ server }) => {
      server.state.status = { ...server.state.status, state: "connecting", action: "none" };
      server.script(COMPLETE, (request, response) =>
        problem(response, 503, "database-unavailable", { source: "database" }),
      );
    },
  });
  await shows(app, /Finishing/);
  await app.pass(3_000);
  await app.page.reload();
  await shows(app, /Finishing/);
  assert.doesNotMatch(await app.text(), /start again/i);
  app.server.script(COMPLETE);
  await app.pass(5_000);
  await shows(app, /@ada\.makes/);
});

test("a router around the provider does not write the secret back", async (t) => {
  const app = await openApp(t, { browser, page: "router.html", query: CALLBACK });
  await shows(app, /@ada\.makes/);
  assert.doesNotMatch(app.page.url(), /s3cret/);
  await app.page.locator("#tab").click();
  await until(() => /tab=2/.test(app.page.url()), "the router's own parameter");
  assert.doesNotMatch(app.page.url(), /s3cret|instagram=|attempt=/);
  assert.doesNotMatch(await app.page.locator("output").innerText(), /s3cret/);
  assert.equal(count(app, COMPLETE), 1);
});

for (const by of ["element", "loader"])
  test(`a router that redirects by ${by} from the page of the return loses nothing of it`, async (t) => {
    const app = await openApp(t, { browser, page: "router.html", query: { by, ...CALLBACK } });
    await shows(app, /@ada\.makes/);
    assert.equal(new URL(app.page.url()).pathname, "/settings");
    assert.doesNotMatch(app.page.url(), /s3cret/);
    assert.equal(count(app, COMPLETE), 1);
  });

test("in a frame: it connects in a window of its own, and the frame stays what it was", async (t) => {
  const app = await openApp(t, {
    browser,
    page: "frame.html",
    prepare: ({ page, server, url }) => {
      server.state.authorizeUrl = new URL("instagram.html", url).href;
      const src = url.replace("frame.html", "app.html").replace("&", "&amp;");
      const body = `<!doctype html><title>Around it</title><iframe src="${src}"></iframe>`;
      return page.route("**/frame.html?*", (route) =>
        route.fulfill({ contentType: "text/html", body }),
      );
    },
  });
  const opened = app.context.waitForEvent("page");
  const frame = app.page.frameLocator("iframe");
  await frame.getByRole("button", { name: "Connect Instagram" }).click();
  const instagram = await opened;
  await instagram.waitForURL("**/instagram.html");
  assert.equal(await instagram.evaluate(() => window.opener), null);
  await frame.getByText("Not connected").waitFor();
});

test("in a popup: it finishes, closes, and the page that opened it knows", async (t) => {
  const app = await openApp(t, { browser, page: "popup.html" });
  const back = new URL(app.url);
  for (const [name, value] of Object.entries(CALLBACK)) back.searchParams.set(name, value);
  app.server.state.authorizeUrl = back.href;
  await shows(app, /not_connected/);
  const opened = app.context.waitForEvent("page");
  await app.page.getByRole("button", { name: "Connect" }).click();
  const popup = await opened;
  if (!popup.isClosed()) await popup.waitForEvent("close");
  await until(
    async () => /^connected/.test(await app.text()) || (await app.pass(1_000)),
    "the page knows",
  );
  assert.equal(count(app, COMPLETE), 1);
});

for (const code of ["denied", "expired"])
  test(`a reconnect in a popup that was ${code}: the page that opened it says so`, async (t) => {
    const app = await openApp(t, { browser, page: "popup.html", prepare: isConnected });
    const back = new URL(app.url);
    const query = { instagram: code, attempt: "a1", reason: "user_denied" };
    for (const [name, value] of Object.entries(query)) back.searchParams.set(name, value);
    app.server.state.authorizeUrl = back.href;
    await shows(app, /connected/);
    const opened = app.context.waitForEvent("page");
    await app.page.getByRole("button", { name: "Connect" }).click();
    const popup = await opened;
    if (!popup.isClosed()) await popup.waitForEvent("close");
    const error = app.page.getByRole("alert");
    await until(async () => (await error.innerText()) || (await app.pass(100)), "why it failed");
    const reason = code === "denied" ? code : `attempt_${code}`;
    assert.equal(await error.innerText(), sentences[reason]);
  });

for (const [status, code, another] of [
  [409, "different-account", true],
  [409, "account-belongs-to-another-user", true],
  [424, "account_not_admitted", false],
])
  test(`in a popup that ends with ${code}: it closes, and the page that opened it says why${another ? ", and offers another account" : ""}`, async (t) => {
    const app = await openApp(t, { browser, page: "popup.html" });
    const back = new URL(app.url);
    for (const [name, value] of Object.entries(CALLBACK)) back.searchParams.set(name, value);
    app.server.state.authorizeUrl = back.href;
    app.server.script(COMPLETE, (request, response) => problem(response, status, code));
    await shows(app, /not_connected/);
    const error = app.page.getByRole("alert");
    const press = async (name) => {
      const opened = app.context.waitForEvent("page");
      await app.page.getByRole("button", { name }).click();
      const popup = await opened;
      if (!popup.isClosed()) await popup.waitForEvent("close");
    };
    await press("Connect");
    await until(async () => (await error.innerText()) || (await app.pass(100)), "why it failed");
    const said = await app.page.evaluate(() => {
      const { code, name, message, status } = window.client.getSnapshot().error;
      return { code, name, message, status };
    });
    assert.equal(said.code, code);
    assert.equal(said.status, status);
    assert.equal(said.name, status === 409 ? "HoldfastRequestError" : "HoldfastServiceError");
    assert.equal(await error.innerText(), said.message);
    const button = app.page.getByRole("button", { name: "Use another account" });
    assert.equal(await button.count(), another ? 1 : 0);
    if (!another) return;
    // With the second attempt the account is the right one.
    await app.pass(1_000);
    back.searchParams.set("attempt", "a2");
    app.server.state.authorizeUrl = back.href;
    await press("Use another account");
    await until(
      async () => /^connected/.test(await app.text()) || (await app.pass(1_000)),
      "connected",
    );
    assert.equal(await error.innerText(), "");
    const [, second] = app.requests().filter(({ route }) => route === CONNECT);
    assert.equal(second.body.force_reauth, true);
  });

test("the page of the README, with Clerk loaded later", async (t) => {
  const app = await openApp(t, {
    browser,
    page: "plain.html",
    prepare: async ({ page, server }) => {
      const script = readmeBlock(
        "js",
        'import { createHoldfastClient } from "holdfast-client";\nimport { describe',
      ).replace('"https://api.example.com"', JSON.stringify(server.url));
      const [markup] = readmeBlock("html", 'id="title"').split("<script");
      const draw = `document.querySelector("main").innerHTML = ${JSON.stringify(markup)};`;
      await page.route("**/plain.js", (route) =>
        route.fulfill({ contentType: "text/javascript", body: draw + script }),
      );
      // As Clerk's script does, after the page's own.
      await page.addInitScript(() =>
        addEventListener("DOMContentLoaded", () => {
          window.Clerk = { addListener: (listener) => (window.tellClerk = listener) };
        }),
      );
    },
  });
  await shows(app, /Loading/);
  await app.pass(5_000);
  assert.match(await app.text(), /^Loading…$/);
  assert.equal(app.requests().length, 0);
  await app.page.evaluate(() => {
    window.Clerk.session = null;
    window.tellClerk();
  });
  await shows(app, /Signed out/);
  assert.equal((await app.text()).match(/Sign in to see/g).length, 1, "it is said once");
  await app.page.evaluate(async (api) => {
    const { createSignIn } = await import("./sign-in.js");
    const signIn = createSignIn(api);
    window.Clerk.session = { id: "sess_1", getToken: (options) => signIn.getToken(options) };
    window.tellClerk();
  }, app.server.url);
  await shows(app, /Not connected[\s\S]*Connect Instagram/);
  app.server.announce(connected);
  await shows(app, /^Connected[\s\S]*Disconnect/);
});

test("a page with the README's Content Security Policy, in a browser of some years ago", async (t) => {
  const app = await openApp(t, {
    browser,
    page: "strict.html",
    prepare: async (app) => {
      isConnected(app);
      await app.page.addInitScript(() => {
        for (const name of ["timeout", "any"]) delete AbortSignal[name];
        for (const name of ["try", "withResolvers"]) delete Promise[name];
        for (const name of ["structuredClone", "reportError"]) delete window[name];
        delete Object.hasOwn;
      });
    },
  });
  await shows(app, /@ada\.makes/);
  await until(() => app.server.streams.size > 0, "a stream");
  await app.page.locator("summary").click();
  await app.page.getByRole("button", { name: "Yes, disconnect Instagram" }).click();
  await shows(app, /Not connected/);
});
