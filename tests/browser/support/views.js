/**
 * Every page that a person may come to see, in the states worth looking at: for axe, and for the
 * eye.
 */
import { startVite } from "../../../examples/react-clerk/tests/support/vite.js";
import { approve, become, shows, startApp } from "./app.js";
import {
  checkButton,
  connect,
  consent,
  expectState,
  faultButton,
  leaveForInstagram,
  signInAs,
} from "./demo.js";
import { freePort } from "./holdfast.js";
import { startServe } from "./serve.js";

export const SCREENS = [
  ["wide", { width: 1280, height: 860 }],
  ["narrow", { width: 390, height: 844 }],
];
export const SCHEMES = ["light", "dark"];

export async function startViews() {
  const port = await freePort();
  const example = `http://127.0.0.1:${port}`;
  const app = await startApp({ origins: [example] });
  const vite = await startVite(
    { VITE_HOLDFAST_URL: app.holdfast.url, VITE_CLERK_STANDIN_URL: app.holdfast.config.clerk_url },
    port,
  );
  const served = await startServe(app.holdfast, [app.site.url]);
  return {
    ...app,
    example,
    served,
    async stop() {
      await vite.close();
      await served.stop();
      await app.stop();
    },
  };
}

/** Leads the page from view to view, and yields the name of each. Leaves nothing linked. */
export async function* views(page, all) {
  yield* demo(page, all.holdfast);
  yield* api(page, all.holdfast);
  yield* example(page, all);
  yield* operator(page, all);
  await page.goto(`${all.site.url}/gallery/`);
  await page.locator(".hf-connection").first().waitFor();
  yield "gallery";
}

async function* demo(page, holdfast) {
  await page.goto(holdfast.url);
  await page.getByRole("heading", { name: "Who are you today?" }).waitFor();
  yield "demo-signed-out";
  await signInAs(page, "Ada Lovelace");
  await page.locator("#connect:not([hidden]), #disconnect:not([hidden])").first().waitFor();
  if (await page.locator("#disconnect").isVisible()) await page.locator("#disconnect").click();
  await page.locator("#connect", { hasText: /Connect Instagram|Start again/ }).waitFor();
  yield "demo-signed-in";
  await leaveForInstagram(page);
  await consent.approve(page).waitFor();
  yield "consent";
  await page.goBack();
  await connect(page, "ada.makes");
  yield "demo-connected";
  await faultButton(page, "Remove the app").click();
  await checkButton(page).click();
  await expectState(page, "reconnect_required");
  await page.locator("#naive-answer", { hasText: "401" }).waitFor();
  await page.locator("details.model summary").click();
  yield "demo-broken";
  await page.getByRole("button", { name: "Mend everything" }).click();
  await page.locator("#disconnect").click();
  await expectState(page, "not_connected");
}

async function* api(page, holdfast) {
  for (const [name, path] of [
    ["docs", "/docs"],
    ["docs-errors", "/docs/errors"],
    ["docs-error", "/docs/errors/token-expired"],
    ["callback", "/instagram/callback?error=access_denied&state=unknown"],
    ["callback-empty", "/instagram/callback"],
    ["data-deletion", "/data-deletion/unknown"],
  ]) {
    await page.goto(holdfast.url + path);
    for (const operation of await page.locator("details").all())
      await operation.evaluate((details) => (details.open = true));
    yield name;
  }
}

async function* example(page, { example, holdfast }) {
  await page.goto(example);
  await page.getByRole("button", { name: "Continue as Ada" }).click();
  await page.getByRole("button", { name: "Connect Instagram" }).waitFor();
  yield "example";
  await page.getByRole("button", { name: "Connect Instagram" }).click();
  await approve(page, "ada.makes");
  await page.getByText("@ada.makes").first().waitFor();
  yield "example-connected";
  await holdfast.deauthorize("ada.makes");
  await page.getByRole("button", { name: "Reconnect" }).waitFor();
  yield "example-broken";
  await page.getByText("Disconnect", { exact: true }).click();
  await page.getByRole("button", { name: "Yes, disconnect Instagram" }).click();
  await page.getByRole("button", { name: "Connect Instagram" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  yield "example-signed-out";
}

async function* operator(page, { home, served }) {
  const onServed = new URL(home);
  onServed.searchParams.set("api", served.url);
  await page.goto(onServed.href);
  await become(page, "grace");
  await page.locator(".hf-actions > *").first().waitFor();
  if (!(await page.getByText("@grace.hops").isVisible())) {
    await page.getByRole("button", { name: "Connect Instagram" }).click();
    await approve(page, "grace.hops");
    await served.leadBack(page);
    await shows(page, "@grace.hops");
  }
  await page.goto(served.operator);
  yield "operator";
  await page.goto(`${served.operator}/?q=@grace.hops`);
  yield "operator-person";
  await page.goto(`${served.operator}/runbook`);
  yield "operator-runbook";
}
