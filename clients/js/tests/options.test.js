/** Mistakes in the set-up are told when the client is made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { authorizedFetch, createHoldfastClient } from "../src/holdfast-client.js";
import { connectInPopup } from "../src/popup.js";
import { errorOf, install } from "./support/harness.js";

const getToken = async () => "token";

for (const baseUrl of [
  undefined,
  null,
  "",
  "undefined",
  "api.example.com",
  "//evil.example",
  "/\\evil.example",
  "/\t/evil.example",
  "ftp://api.example.com",
  "https://",
]) {
  test(`baseUrl ${JSON.stringify(baseUrl)} is no address: the token would go to the page's own site`, () => {
    for (const make of [createHoldfastClient, authorizedFetch]) {
      assert.throws(() => make({ baseUrl, getToken }), {
        name: "TypeError",
        message: /baseUrl is .*address/,
      });
    }
  });
}

test("nor is a blank within it an address", () => {
  const baseUrl = "https://api.example .com";
  const make = () => createHoldfastClient({ baseUrl, getToken });
  assert.throws(make, { message: `Holdfast: baseUrl is ${baseUrl}, not an address` });
});

test("a blank or a line end around baseUrl, as from a file of variables, is not its part", async () => {
  for (const baseUrl of [
    " https://api.example.com\n",
    "https://api.example.com/\r\n",
    "/holdfast ",
  ]) {
    const sent = [];
    const fetch = async (url) => {
      sent.push(String(url));
      return new Response("{}");
    };
    await createHoldfastClient({ baseUrl, getToken, fetch }).profile();
    assert.equal(sent.at(-1), `${baseUrl.trim().replace(/\/$/, "")}/user/profile`);
  }
});

for (const baseUrl of ["https://api.example.com", new URL("http://127.0.0.1:8080"), "/holdfast"]) {
  test(`baseUrl ${baseUrl} is one`, () => assert.ok(createHoldfastClient({ baseUrl, getToken })));
}

test("without a function for tokens nobody could be signed in", () => {
  for (const getToken of [undefined, null, "token"]) {
    assert.throws(
      () => createHoldfastClient({ baseUrl: "https://x.example", getToken }),
      /getToken is no function/,
    );
  }
});

test("React Native has no address bar: navigate is needed, and said to be", (t) => {
  install(t, "navigator", { product: "ReactNative" });
  const options = { baseUrl: "https://x.example", getToken };
  assert.throws(() => createHoldfastClient(options), /navigate .*Linking\.openURL/);
  assert.ok(createHoldfastClient({ ...options, navigate: () => {} }));
});

for (const [answer, ends] of [
  [{ authorize_url: "https://www.instagram.com/oauth/authorize", attempt_id: "a1" }, "there"],
  [{ error: "Too often." }, "closed"],
])
  test(`from within a frame it is a new window, opened in the press: in the end it is ${ends}`, async (t) => {
    const self = {};
    install(t, "self", self);
    install(t, "top", {});
    const went = [];
    const window = {
      opener: self,
      location: { assign: (url) => went.push(url) },
      close: () => went.push("closed"),
    };
    let opened = 0;
    install(t, "open", () => ((opened += 1), window));
    let respond;
    const answered = new Promise((resolve) => (respond = resolve));
    const client = createHoldfastClient({
      baseUrl: "https://x.example",
      getToken,
      fetch: async () => {
        await answered;
        return Response.json(answer, { status: answer.error ? 429 : 200 });
      },
    });
    const attempt = client.connect({ returnTo: "https://app.example.com/" }).catch(() => {});
    assert.equal(opened, 1, "in the press itself");
    assert.equal(window.opener, null);
    respond();
    await attempt;
    assert.deepEqual(went, [answer.authorize_url ?? "closed"]);
    assert.equal(client.getSnapshot().isConnecting, false, "this page stays, and can begin anew");
  });

for (const [browser, open] of [
  ["Chromium", () => null],
  [
    "Firefox, in a sandbox,",
    () => {
      throw new DOMException("InvalidAccessError");
    },
  ],
])
  test(`from within a frame, a window that ${browser} blocks is told, and no attempt is used up`, async (t) => {
    install(t, "self", {});
    install(t, "top", {});
    install(t, "open", open);
    const fetch = () => assert.fail("nothing is asked");
    const client = createHoldfastClient({ baseUrl: "https://x.example", getToken, fetch });
    assert.equal((await errorOf(client.connect())).code, "window-blocked");
    assert.equal((await errorOf(connectInPopup(client))).code, "window-blocked");
  });
