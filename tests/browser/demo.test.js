/**
 * What people stumbled over on the demo page: its links, what it says of a clock, a phone's screen,
 * a port that is in use.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import {
  checkButton,
  connect,
  consent,
  expectState,
  faultButton,
  leaveForInstagram,
  signInAs,
} from "./support/demo.js";
import { BINARY, freePort } from "./support/holdfast.js";
import { startAll, visit } from "./support/visit.js";

describe("the demo page", () => {
  let all;
  before(async () => (all = await startAll()));
  after(() => all?.stop());

  test("every link that is seen leads somewhere, before the sign-in and after", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    const assertLeading = async () => {
      const links = page.locator("a:visible");
      const targets = await links.evaluateAll((all) =>
        all.map((link) => link.getAttribute("href")),
      );
      assert.ok(targets.length >= 4, `${targets}`);
      for (const target of new Set(targets)) {
        if (target.startsWith("#")) assert.ok(await page.locator(target).isVisible(), target);
        else assert.equal((await fetch(new URL(target, all.holdfast.url))).status, 200, target);
      }
    };
    await page.getByRole("heading", { name: "Who are you today?" }).waitFor();
    await assertLeading();
    await signInAs(page, "Edsger Dijkstra");
    await expectState(page, "not_connected");
    await assertLeading();
    assertHealthy();
  });

  test("a clock a minute ahead: what is said at each place is the same, and true", async (t) => {
    const { page } = await visit(t, all);
    await signInAs(page, "Ada Lovelace");
    await expectState(page, "not_connected");
    await connect(page, "ada.makes");
    await faultButton(page, "Clock 1 min ahead").click();
    await expectState(page, "session-refused");
    await page.locator("#break-outcome", { hasText: "refuses the token" }).waitFor();
    const said = await page.locator("#connection").innerText();
    assert.match(said, /You are still signed in, but your requests are refused\./);
    assert.doesNotMatch(said, /Signed out|Sign in|cannot be reached|having trouble/);
    const outcome = await page.locator("#break-outcome").innerText();
    assert.match(
      outcome,
      /^Done: Clock 1 min ahead\. Holdfast refuses the token, and the page is quiet\./,
    );
    assert.doesNotMatch(outcome, /Holdfast says/);
    await page.getByRole("button", { name: "Mend everything" }).click();
    await expectState(page, "connected");
    await page.locator("#disconnect").click();
    await expectState(page, "not_connected");
  });

  test("another account than the linked one came back: it is offered, and then taken", async (t) => {
    const { page, assertHealthy } = await visit(t, all);
    await signInAs(page, "Edsger Dijkstra");
    await expectState(page, "not_connected");
    await connect(page, "edsger.writes");
    await faultButton(page, "Remove the app").click();
    await page.locator("#break-outcome", { hasText: /^Done/ }).waitFor();
    await checkButton(page).click();
    await expectState(page, "reconnect_required");
    const choose = async () => {
      await consent.account(page, "ada.makes").check();
      await consent.approve(page).click();
    };
    await leaveForInstagram(page);
    await choose();
    await page.getByText("a different account than the linked one").waitFor();
    await page.getByRole("button", { name: "Use another account" }).click();
    await choose();
    await expectState(page, "connected");
    await page.locator("#account-handle", { hasText: "@ada.makes" }).waitFor();
    await page.locator("#disconnect").click();
    await expectState(page, "not_connected");
    assertHealthy({ except: /status of 409/ });
  });

  test("a press that reaches nobody says so, until one does", async (t) => {
    const { page } = await visit(t, all);
    await page.route("**/v1/dev/sign-in", (route) => route.abort());
    await page.getByRole("button", { name: /Ada Lovelace/ }).click();
    const notice = page.locator("#notice");
    await notice.getByText("cannot reach its servers").waitFor();
    await page.unroute("**/v1/dev/sign-in");
    await signInAs(page, "Ada Lovelace");
    await notice.waitFor({ state: "hidden" });
  });

  test("on a phone the result of a press is on the screen", async (t) => {
    const { page, assertHealthy } = await visit(t, all, { viewport: { width: 390, height: 844 } });
    await signInAs(page, "Grace Hopper");
    await expectState(page, "not_connected");
    await connect(page, "grace.hops");
    for (const press of [faultButton(page, "Remove the app"), checkButton(page)]) {
      await press.click();
      await page.locator("#break-outcome", { hasText: /^(Done|Checked)/ }).waitFor();
      await page.waitForFunction(() => {
        const { top, bottom } = document.getElementById("break-outcome").getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      });
    }
    await expectState(page, "reconnect_required");
    assertHealthy();
  });
});

test("a port that is in use is named, and the other one", async (t) => {
  const port = await freePort();
  const squatter = createServer().listen(port, "127.0.0.1");
  await once(squatter, "listening");
  t.after(() => squatter.close());
  const child = spawn(BINARY, ["dev", "--port", String(port)]);
  t.after(async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  });
  const sentence = new RegExp(`Port ${port} is in use; this run uses (\\d+)\\.`);
  const [, other] = await new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", () => reject(new Error(said)));
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8").on("data", (text) => {
        said += text;
        const found = said.match(sentence);
        if (found) resolve(found);
      });
    }
  });
  assert.notEqual(Number(other), port);
});
