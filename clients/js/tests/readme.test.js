/** What the README offers does what it says. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createElement } from "react";
import { renderToString as renderReact } from "react-dom/server";
import { compile } from "svelte/compiler";
import { render } from "svelte/server";
import { get } from "svelte/store";
import { createRenderer, createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";
import { createFakeClient, fakeStatus } from "../src/fake.js";
import { HoldfastRequestError } from "../src/holdfast-client.js";
import { describe } from "../src/states.js";
import { readme, readmeBlock } from "./support/code-blocks.js";
import { install } from "./support/harness.js";

/** How the samples begin that make a client. */
const START = 'import { createHoldfastClient } from "holdfast-client";\nimport { ';

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url)
  .resolve("typescript/package.json")
  .replace("package.json", "bin/tsc");

/**
 * A folder inside of the package, in which its own name resolves, as in an app that has installed
 * it.
 */
async function folder(t) {
  await mkdir(join(root, "test-results"), { recursive: true });
  const directory = await mkdtemp(join(root, "test-results/readme-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function moduleOf(t, code) {
  const file = join(await folder(t), "module.js");
  await writeFile(file, code);
  return import(file);
}

/** What the compiler says of the files, as strict TSX in an app that has installed the package. */
async function complaintsAbout(t, files) {
  const directory = await folder(t);
  for (const [name, code] of Object.entries(files)) await writeFile(join(directory, name), code);
  const flags = "--noEmit --strict --noUncheckedIndexedAccess --target es2022 --jsx react-jsx";
  const modules = "--module nodenext --ignoreConfig --types react";
  const said = spawnSync(
    process.execPath,
    [tsc, ...`${flags} ${modules}`.split(" "), ...Object.keys(files)],
    { cwd: directory, encoding: "utf8" },
  );
  return said.stdout;
}

test('useAuth for "holdfast dev": a page that a server has rendered begins with what that said', async (t) => {
  const { useAuth } = await moduleOf(
    t,
    readmeBlock("js", "// use-auth.js").replace(
      'import { getSessionId, getToken } from "./sign-in.js";',
      'const getSessionId = () => "sess_1", getToken = () => "token";',
    ),
  );
  const said = [];
  const Page = () => void said.push(useAuth());
  renderReact(createElement(Page));
  assert.deepEqual([said[0].isLoaded, said[0].isSignedIn, said[0].sessionId], [false, false, null]);
});

/** A page for Vue that nobody looks at. */
const nodes = {
  createText: (text) => ({ text }),
  createComment: (text) => ({ text }),
  insert: (node, parent) => (node.parent = parent),
  remove() {},
  setText() {},
  parentNode: ({ parent }) => parent,
  nextSibling: () => null,
};

/** A block that begins with its import, as a hook of an app. */
function hookOf(block, imports, before) {
  const [, own, body] = block.match(/^(\/\/ .*\nimport .*;\n)([\s\S]*)$/);
  return `${own}import { useEffect } from "react";
import { createHoldfastClient } from "holdfast-client";
${imports}
declare function useAuth(): { sessionId: string | null | undefined };
const client = createHoldfastClient({ baseUrl: "/holdfast", getToken: async () => null });
export function useStatus() {
  ${before}
  ${body}
  return data?.account?.username;
}`;
}

test("a view of one's own, the stylesheet, and the hooks of both adapters, compile as strict TSX", async (t) => {
  const said = await complaintsAbout(t, {
    "view.tsx": readmeBlock("tsx", "export function Connection"),
    "query.tsx": hookOf(
      readmeBlock("js", "// TanStack Query"),
      `import { useQuery, useQueryClient } from "@tanstack/react-query";`,
      "const queryClient = useQueryClient();",
    ),
    "looks.ts": 'import "holdfast-client/instagram-connection.css";\n',
    "swr.tsx": hookOf(
      readmeBlock("js", "// SWR"),
      `import useSWR, { useSWRConfig } from "swr";`,
      "const { mutate } = useSWRConfig();",
    ),
  });
  assert.equal(said, "");
});

test("Vue: a ref that follows while its component is mounted, and nothing that a server leaves running", async (t) => {
  const { useInstagram } = await moduleOf(t, readmeBlock("js", "// Vue"));
  const client = createFakeClient(fakeStatus("not_connected"));
  let listeners = 0;
  const { subscribe } = client;
  client.subscribe = (listener) => {
    const stop = subscribe(listener);
    listeners += 1;
    return () => {
      listeners -= 1;
      stop();
    };
  };
  let snapshot;
  const component = {
    setup() {
      snapshot = useInstagram(client);
      return () => snapshot.value.phase;
    },
  };
  assert.equal(await renderToString(createSSRApp(component)), "loading");
  assert.equal(listeners, 0);
  const app = createRenderer(nodes).createApp(component);
  app.mount({ children: [] });
  assert.equal(snapshot.value.status.state, "not_connected");
  client.setStatus(fakeStatus("connected"));
  assert.equal(snapshot.value.status.state, "connected");
  app.unmount();
  assert.equal(listeners, 0);
});

/** The Svelte store of the README reads in browsers alone; here it is looked at as in one. */
function beBrowser(t) {
  globalThis.window = globalThis;
  t.after(() => delete globalThis.window);
}

test("Svelte: a store that follows, for as long as somebody subscribes", async (t) => {
  beBrowser(t);
  const { instagram } = await moduleOf(t, readmeBlock("js", "// Svelte"));
  const client = createFakeClient();
  const store = instagram(client);
  const seen = [];
  const stop = store.subscribe(({ phase, status }) => seen.push(status?.state ?? phase));
  client.setStatus(fakeStatus("connected"));
  stop();
  client.setStatus(fakeStatus("not_connected"));
  assert.deepEqual(seen, ["loading", "connected"]);
  assert.equal(get(store).status.state, "not_connected");
});

test("Svelte: a store that nobody has looked at yet has nothing of who was there when it was made", async (t) => {
  beBrowser(t);
  const { instagram } = await moduleOf(t, readmeBlock("js", "// Svelte"));
  const client = createFakeClient(fakeStatus("connected"));
  const store = instagram(client);
  client.setStatus(fakeStatus("not_connected"));
  const seen = [];
  store.subscribe(({ phase, status }) => seen.push(status?.state ?? phase))();
  assert.ok(!seen.includes("connected"), String(seen));
  assert.equal(seen.at(-1), "not_connected");
});

test("Svelte: a page that a server renders, with the client as it is printed", async (t) => {
  const [client] = readmeBlock("js", `${START}describe`).match(
    /^const page = [^]*?(?=\nfunction)/m,
  );
  const directory = await folder(t);
  const page = compile(
    '<script>import { snapshot } from "./store.js";</script><p>{$snapshot.phase}</p>',
    {
      generate: "server",
    },
  );
  await writeFile(join(directory, "page.js"), page.js.code);
  await writeFile(
    join(directory, "store.js"),
    `import { createHoldfastClient } from "holdfast-client";
${readmeBlock("js", "// Svelte")}
${client}
export const snapshot = instagram(client);
`,
  );
  const { default: Page } = await import(join(directory, "page.js"));
  assert.match(render(Page).body, /<p>idle/);
  await new Promise(setImmediate); // what nobody awaits
});

/** The page without a framework on a fake client; `more` is pasted behind it. */
function openPage(client, { more = "", parts = {} } = {}) {
  const elements = {};
  const window = new EventTarget();
  const all = {
    createHoldfastClient: (options) => Object.assign(client, { options }),
    describe,
    globalThis: { window },
    document: { querySelector: (selector) => (elements[selector] ??= {}) },
    ...parts,
  };
  client.completeFromUrl = async () => null;
  const code = `${readmeBlock("js", `${START}describe`)}{\n${more}}`.replace(/^import .*$/gm, "");
  new Function(...Object.keys(all), code)(...Object.values(all));
  return { elements, window };
}

const differentAccount = () =>
  new HoldfastRequestError({ code: "different-account", status: 409, message: "Another one." });

test("the page without a framework: each press does what its button says", (t) => {
  const client = createFakeClient();
  const { elements } = openPage(client);
  client.setStatus(fakeStatus("reconnect_required"));
  const { "#connect": connect, "#another": another, "#disconnect": disconnect } = elements;
  const last = () => client.calls.at(-1);
  assert.deepEqual([connect.textContent, another.hidden], ["Reconnect", true]);
  connect.onclick();
  assert.deepEqual(last(), { name: "connect", args: [] });
  client.setStatus(fakeStatus("reconnect_required"));
  client.setError(differentAccount());
  assert.deepEqual([another.textContent, another.hidden], ["Use another account", false]);
  const calls = client.calls.length;
  install(t, "confirm", () => false);
  another.onclick();
  assert.equal(client.calls.length, calls, "nothing takes the place of an account unasked");
  install(t, "confirm", () => true);
  another.onclick();
  assert.deepEqual(last().args, [{ forceReauth: true, expect: "any_account" }]);
  client.setStatus(fakeStatus("action_required"));
  connect.onclick();
  assert.equal(last().name, "check");
  assert.deepEqual([disconnect.textContent, disconnect.hidden], ["Disconnect", false]);
  disconnect.onclick();
  assert.equal(last().name, "disconnect");
  assert.equal(disconnect.hidden, true);
});

test("the page without a framework: what has not changed is not read out again", () => {
  const client = createFakeClient();
  const { elements } = openPage(client);
  client.setStatus(fakeStatus("connected"));
  Object.defineProperty(elements["#title"], "textContent", {
    get: () => "Connected",
    set() {
      assert.fail("written anew");
    },
  });
  client.set({ isFetching: true });
});

test("the popup's page, pasted behind the page without a framework: a press opens the popup", () => {
  const client = createFakeClient(fakeStatus("not_connected"));
  const pressed = [];
  const { elements } = openPage(client, {
    more: readmeBlock("js", `${START}closePopup`),
    parts: {
      closePopup() {},
      connectInPopup: async (_, options) => void pressed.push(options),
      ...{ baseUrl: "", getToken() {}, getSessionId() {} },
    },
  });
  for (const state of ["not_connected", "connecting", "reconnect_required", "action_required"]) {
    client.setStatus(fakeStatus(state));
    elements["#connect"].onclick();
  }
  assert.deepEqual(pressed, [undefined, undefined, undefined]);
  assert.equal(client.calls.at(-1).name, "check");
  client.setError(differentAccount());
  assert.equal(elements["#another"].textContent, "Use another account");
  elements["#another"].onclick();
  assert.deepEqual(pressed.at(-1), { forceReauth: true, expect: "any_account" });
});

test("the page without a framework asks nobody who is there before the sign-in library knows", async () => {
  const client = createFakeClient(fakeStatus("not_connected"));
  const { window } = openPage(client);
  const changes = () => client.calls.filter(({ name }) => name === "sessionChanged").length;
  const token = client.options.getToken();
  let tell;
  window.Clerk = {
    session: { id: "sess_1", getToken: async () => "token" },
    addListener: (listener) => (tell = listener),
  };
  window.dispatchEvent(new Event("load"));
  assert.equal(await Promise.race([token, Promise.resolve("not yet")]), "not yet");
  tell();
  assert.equal(await token, "token");
  assert.equal(changes(), 0, "whoever is the first changes nothing");
  tell();
  assert.equal(changes(), 1);
});

test("what was read is for the session that is still there, or for nobody", async (t) => {
  const { readFor } = await moduleOf(t, readmeBlock("js", "// profile(), history()"));
  const client = createFakeClient();
  let id = "sess_1";
  client.getSessionKey = () => id;
  assert.equal(await readFor(client, "sess_1", async () => "Ada's"), "Ada's");
  const read = async () => ((id = "sess_9"), "Grace's");
  await assert.rejects(readFor(client, "sess_1", read), /Somebody else/);
});

test("each client that is made as printed is told who is signed in, and a popup's finishes", () => {
  const guide = readFileSync(join(root, "../../docs/guides/native-apps.md"), "utf8");
  const made = [
    ...(readme + guide).matchAll(/(?:createHoldfastClient|authorizedFetch)\(\{([^]*?)\}\)/g),
  ];
  assert.ok(made.length >= 5);
  for (const [call, options] of made) assert.match(options, /getSessionId/, call);
  for (const start of ["import { createHoldfastClient } from", "import { App } from"])
    for (const [, block] of (readme + guide).matchAll(/```jsx?\n([^]*?)```/g))
      if (block.startsWith(start)) assert.match(block, /sessionChanged\(\)/);
  const popup = readmeBlock(
    "js",
    'import { createHoldfastClient } from "holdfast-client";\nimport { closePopup',
  );
  assert.match(popup, /client\.completeFromUrl\(\)/);
});

test("pictures and links of the README are in the package, or on the web", () => {
  const packed = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: root, encoding: "utf8" }),
  );
  const files = packed[0].files.map(({ path }) => path);
  const targets = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
  assert.ok(targets.length > 0);
  for (const target of targets) assert.ok(/^https:/.test(target) || files.includes(target), target);
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"])
    assert.ok(files.includes(licence), licence);
  for (const [, file] of readme.matchAll(/\| `(src\/[\w./-]+)`/g))
    assert.ok(existsSync(join(root, file)), file);
});
