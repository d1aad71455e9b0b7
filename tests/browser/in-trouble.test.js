/**
 * A browser in trouble: whatever it meets, the page says what is true, and nobody is signed out.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { timeUntilAllShow, until } from "../../clients/js/tests/browser/support/browser.js";
import {
  approve,
  become,
  connect,
  connectButton,
  disconnect,
  openBrowser,
  press,
  shows,
  startApp,
} from "./support/app.js";

const NINE = 9;
/** Half of the time after which a page would ask by itself. */
const SOON_MS = 15_000;
const MINUTE = 60_000;

let app;
before(async () => (app = await startApp()));
after(() => app?.stop());

/** Ada in the app, with nothing linked, or with her account. */
async function ada(t, { isConnected, ...options } = {}) {
  const opened = await openBrowser(t, app, options);
  await become(opened.page, "ada");
  await disconnect(opened.page);
  if (isConnected) await connect(opened.page, "ada.makes");
  return opened;
}

const lifecycle = async (page, state) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.setWebLifecycleState", { state });
  await devtools.detach();
};

/** Ada's account in a popup, which closes itself; the page that opened it knows. */
async function connectInPopup(page, context) {
  const opened = context.waitForEvent("page");
  await press(page, "In a window of its own");
  const popup = await opened;
  const closed = popup.waitForEvent("close");
  await approve(popup, "ada.makes");
  await closed;
  await shows(page, "@ada.makes");
}

const main = (page) => page.locator("main");

const signedIn = (page) => page.locator("header").getByText("Signed in").waitFor();

describe("tabs", () => {
  test("nine of them: all are right soon after a change, also when the one with the stream is gone", async (t) => {
    const { page, open } = await ada(t, { isConnected: true });
    const tabs = [page];
    while (tabs.length < NINE) tabs.push(await open());
    for (const tab of tabs) await shows(tab, "@ada.makes");
    await page.waitForFunction(() => window.instagram.live === "stream");
    await page.close();
    const others = tabs.slice(1);
    const isLive = (tab) => tab.evaluate(() => window.instagram.live === "stream");
    while (!(await Promise.all(others.map(isLive))).some(Boolean)) await isLive(others[0]);
    const taken = timeUntilAllShow(others, /Reconnect needed/);
    await app.holdfast.deauthorize("ada.makes");
    const took = await taken();
    assert.ok(took < SOON_MS, `${took} ms`);
  });

  test("the tab with the stream is frozen: another learns of a change by asking", async (t) => {
    const { page, open } = await ada(t, { isConnected: true });
    await page.waitForFunction(() => window.instagram.live === "stream");
    const other = await open();
    await shows(other, "@ada.makes");
    await lifecycle(page, "frozen");
    await app.holdfast.deauthorize("ada.makes");
    other.setDefaultTimeout(MINUTE);
    await shows(other, "Reconnect needed");
    await lifecycle(page, "active");
    await shows(page, "Reconnect needed");
  });

  test("whoever signs in in another tab is who this one shows", async (t) => {
    const { page, open } = await ada(t, { isConnected: true });
    const other = await open();
    await shows(other, "@ada.makes");
    await other.evaluate(() => window.signIn.leave());
    await other.locator("header").getByText("Signed out").waitFor();
    await become(other, "grace");
    await shows(other, "Not connected");
    await page.bringToFront();
    await page.evaluate(() => dispatchEvent(new Event("focus")));
    await shows(page, "Not connected");
    assert.equal(await page.getByText("ada.makes").count(), 0);
  });

  test("the way back ends in another tab than the one that began: both know", async (t) => {
    const { page, context } = await ada(t);
    const returned = context.waitForEvent("page");
    await page.evaluate(async () => {
      const { authorize_url } = await window.instagram.connect({ navigate: false });
      window.open(authorize_url, "_blank", "noopener");
    });
    const other = await returned;
    await approve(other, "ada.makes");
    await shows(other, "@ada.makes");
    await shows(page, "@ada.makes");
    assert.doesNotMatch(other.url(), /completion=/);
  });

  test("it comes back to a tab of somebody else: nothing is linked, and it says so", async (t) => {
    const { page, context } = await ada(t);
    await connectButton(page).click();
    await page.waitForURL(/\/oauth\/authorize/);
    const { page: graces } = await openBrowser(t, app);
    await become(graces, "grace");
    await disconnect(graces);
    await graces.goto(page.url());
    await approve(graces, "ada.makes");
    await shows(graces, "Another user started this connect attempt.");
    await shows(graces, "Not connected");
    await page.goto(app.home);
    await shows(page, /Connecting|Not connected/);
    assert.equal(context.pages().length, 1);
  });
});

/**
 * Grace, and nothing is linked; nor is anything of Ada's. (A person may begin twenty attempts an
 * hour.)
 */
async function grace(t) {
  const opened = await ada(t);
  await become(opened.page, "grace");
  await disconnect(opened.page);
  return opened;
}

describe("sessions", () => {
  test("one person after the other, every other second: whoever it is is shown at once", async (t) => {
    const { page } = await grace(t);
    await connect(page, "grace.hops");
    for (let turn = 0; turn < 4; turn += 1) {
      for (const [user, says] of [
        ["ada", /^(Not connected|Connecting)$/],
        ["grace", "@grace.hops"],
      ]) {
        await become(page, user);
        await main(page).getByText(says).first().waitFor({ timeout: SOON_MS });
        await page.waitForTimeout(1_500); // looks at it
      }
    }
  });

  test("back while nobody is signed in, and another person signs in first: both are told the truth", async (t) => {
    const { page, context } = await grace(t);
    await connectButton(page).click();
    await page.waitForURL(/\/oauth\/authorize/);
    await context.clearCookies();
    await approve(page, "grace.hops");
    await shows(page, "Signed out");
    assert.doesNotMatch(page.url(), /completion=/);
    await become(page, "ada");
    await shows(page, "Another user started this connect attempt.");
    await shows(page, /^(Not connected|Connecting)$/);
    await page.reload();
    await shows(page, /^(Not connected|Connecting)$/);
    assert.equal(
      await main(page)
        .getByText(/Another user|grace|Finishing/)
        .count(),
      0,
    );
    await become(page, "grace");
    await shows(page, "@grace.hops");
    await disconnect(page);
  });
});

describe("presses", () => {
  test("a double click on Connect begins one attempt, and the back button gives the button back", async (t) => {
    const { page } = await ada(t);
    const attempts = [];
    page.on(
      "request",
      (request) =>
        /\/connect$/.test(request.url()) && request.method() === "POST" && attempts.push(request),
    );
    await connectButton(page).dblclick();
    await page.waitForURL(/\/oauth\/authorize/);
    assert.equal(attempts.length, 1);
    await page.goBack({ waitUntil: "commit" });
    await press(page, "Start again");
    await approve(page, "ada.makes");
    await shows(page, "@ada.makes");
    await signedIn(page);
  });

  test("signing out while Connect is under way: the page does not leave for what the person had pressed", async (t) => {
    const { page } = await ada(t);
    let go;
    const gone = new Promise((resolve) => (go = resolve));
    await page.route(/\/instagram\/connect$/, async (route) => {
      const answer = await route.fetch();
      await gone;
      await route.fulfill({ response: answer });
    });
    const pressed = page.waitForRequest(/\/instagram\/connect$/);
    await connectButton(page).click();
    await pressed;
    await page.evaluate(() => window.signIn.leave());
    const answered = page.waitForResponse(/\/instagram\/connect$/);
    go();
    await answered;
    await shows(page, "Signed out");
    await become(page, "grace");
    await shows(page, "Not connected");
    assert.equal(page.url(), app.home);
  });

  test("in a popup: it closes itself, and the page knows", async (t) => {
    const { page, context } = await ada(t);
    await connectInPopup(page, context);
  });

  test("another person signs in while a popup is at Instagram: it stays, says so, and is finished by whose it is", async (t) => {
    const { page, context } = await ada(t);
    const opened = context.waitForEvent("page");
    await press(page, "In a window of its own");
    const popup = await opened;
    await popup.waitForURL(/\/oauth\/authorize/);
    await become(page, "grace");
    await disconnect(page);
    await approve(popup, "ada.makes");
    await shows(popup, "Another user started this connect attempt.");
    await shows(page, "Not connected");
    await become(page, "ada");
    await popup.evaluate(() => dispatchEvent(new Event("focus")));
    await shows(popup, "@ada.makes");
    await shows(page, "@ada.makes");
  });

  test("a double click on what opens a popup opens one, and begins one attempt", async (t) => {
    const { page, context } = await grace(t);
    const attempts = [];
    page.on("request", (request) => /\/connect$/.test(request.url()) && attempts.push(request));
    const opened = context.waitForEvent("page");
    await page
      .getByRole("button", { name: "In a window of its own" })
      .click({ clickCount: 2, delay: 60 });
    const popup = await opened;
    const closed = popup.waitForEvent("close");
    await approve(popup, "grace.hops");
    await closed;
    await shows(page, "@grace.hops");
    assert.equal(attempts.filter((request) => request.method() === "POST").length, 1);
    assert.deepEqual(context.pages(), [page]);
  });

  test("a popup that is blocked: the page itself leaves, and comes back connected", async (t) => {
    const { page } = await ada(t, { init: () => (window.open = () => null) });
    await press(page, "In a window of its own");
    await approve(page, "ada.makes");
    await shows(page, "@ada.makes");
  });
});

describe("the network", () => {
  test("offline, and online again: what was known is called the last known, and a change meanwhile shows soon", async (t) => {
    const { page, context } = await ada(t, { isConnected: true });
    await page.waitForFunction(() => window.instagram.live === "stream");
    await context.setOffline(true);
    await page.evaluate(() => window.instagram.refetch());
    await shows(page, "Connected, when last heard");
    await shows(page, "The server cannot be reached.");
    await app.holdfast.deauthorize("ada.makes");
    const taken = timeUntilAllShow([page], /^Reconnect needed$/m);
    await context.setOffline(false);
    const took = await taken();
    assert.ok(took < SOON_MS, `${took} ms`);
    await signedIn(page);
  });

  test("answers that take seconds: it is slow, and right", async (t) => {
    const { page, context } = await ada(t);
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 1_500,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
    await connect(page, "ada.makes");
    await app.holdfast.deauthorize("ada.makes");
    await shows(page, "Reconnect needed");
    await signedIn(page);
  });

  for (const [what, answers] of [
    ["fails every request", "nothing"],
    ["answers with a page of its own", "page"],
  ]) {
    test(`a broken service worker that ${what}: it says what is true, and recovers without it`, async (t) => {
      const { page } = await ada(t, { isConnected: true });
      const script = `broken-worker.js?${new URLSearchParams({ answers, api: app.holdfast.url })}`;
      await page.evaluate(async (script) => {
        const { serviceWorker } = navigator;
        await serviceWorker.register(script);
        if (!serviceWorker.controller)
          await new Promise((resolve) => (serviceWorker.oncontrollerchange = resolve));
        await window.instagram.refetch();
      }, script);
      await shows(page, "Connected, when last heard");
      await shows(page, /cannot be reached|having trouble/);
      await signedIn(page);
      await page.evaluate(async () => {
        for (const registration of await navigator.serviceWorker.getRegistrations())
          await registration.unregister();
      });
      await page.reload();
      await shows(page, /^Connected$/);
    });
  }
});

describe("the computer", () => {
  test("a laptop that sleeps: what changed meanwhile shows soon after", async (t) => {
    const { page } = await ada(t, { isConnected: true });
    await page.waitForFunction(() => window.instagram.live === "stream");
    await lifecycle(page, "frozen");
    await app.holdfast.deauthorize("ada.makes");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await lifecycle(page, "active");
    const took = await timeUntilAllShow([page], /Reconnect needed/)();
    assert.ok(took < SOON_MS, `${took} ms`);
  });

  for (const minutes of [-11, 11]) {
    test(`its clock is ${Math.abs(minutes)} minutes ${minutes < 0 ? "slow" : "fast"}: it connects, in a popup too, and speaks of no future`, async (t) => {
      const { page, context } = await ada(t, {
        init: `{ const now = Date.now; Date.now = () => now() + ${minutes * MINUTE}; }`,
      });
      await connectInPopup(page, context);
      assert.doesNotMatch(await page.locator(".hf-evidence").innerText(), / in \d/);
    });
  }

  for (const [what, init] of [
    [
      "forbidden",
      () => {
        for (const name of ["sessionStorage", "localStorage"])
          Object.defineProperty(window, name, {
            get() {
              throw new DOMException("no", "SecurityError");
            },
          });
      },
    ],
    [
      "full",
      () => {
        Storage.prototype.setItem = () => {
          throw new DOMException("no", "QuotaExceededError");
        };
      },
    ],
  ]) {
    test(`storage is ${what}: it connects all the same`, async (t) => {
      const { page } = await ada(t, { init, isConnected: true });
      await shows(page, "@ada.makes");
      assert.doesNotMatch(page.url(), /completion=/);
    });
  }

  test("no request of the client carries a cookie, and no answer sets one", async (t) => {
    const { page } = await grace(t);
    const seen = [];
    const isClients = (request) =>
      request.url().startsWith(app.holdfast.url) && request.resourceType() !== "document";
    const cookiesOf = async (request) => {
      const response = await request.response();
      return [(await request.allHeaders()).cookie, (await response.allHeaders())["set-cookie"]];
    };
    const look = (request) => isClients(request) && seen.push(cookiesOf(request));
    page.on("requestfinished", look);
    await connect(page, "grace.hops");
    await page.evaluate(() => window.instagram.refetch());
    await until(() => seen.length > 2, "three requests that are over");
    page.off("requestfinished", look);
    assert.deepEqual((await Promise.all(seen)).flat().filter(Boolean), []);
  });
});
