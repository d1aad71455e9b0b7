/**
 * A Vite app, a Next app and a plain page, made by the client's README alone: they show the status,
 * and live through the main path.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readmeBlock } from "../../clients/js/tests/support/code-blocks.js";
import { answers } from "../browser/support/answers.js";
import { freePort, startHoldfast } from "../browser/support/holdfast.js";
import { startChromium } from "../browser/support/visit.js";
import { approve, clerk, freshApp, mainPath, signIn } from "./support/app.js";

const START_WITHIN_MS = 120_000;

const apps = {};
let holdfast;
let browser;
before(async () => {
  for (const name of ["vite", "next", "plain"]) apps[name] = await freePort();
  const origins = Object.values(apps).map((port) => `http://127.0.0.1:${port}`);
  holdfast = await startHoldfast({ origins });
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await holdfast?.stop();
});

const binary = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));

/** Runs a package's own command in the app, and ends it with the test. */
async function serve(t, app, name, ...args) {
  const child = spawn(binary(name), args, {
    cwd: app,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (chunk) => (said += chunk));
  t.after(async () => {
    if (child.exitCode !== null) return;
    process.kill(-child.pid, "SIGTERM"); // with the workers that it has started
    await once(child, "exit");
  });
  const home = `http://127.0.0.1:${args.at(-1)}/`;
  await answers(home, child, START_WITHIN_MS).catch((error) => {
    throw new Error(`${error.message}\n${said}`);
  });
  return home;
}

/** Ada is not connected for whoever comes next. */
async function disconnect(page) {
  const token = await page.evaluate(() => sessionStorage.getItem("session"));
  const jwt = await fetch(`${holdfast.config.clerk_url}/v1/client/sessions/${token}/tokens`, {
    method: "POST",
    headers: { origin: holdfast.url, "content-type": "application/json" },
    body: "{}",
  }).then((response) => response.json());
  const gone = await fetch(`${holdfast.url}/user/instagram`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${jwt.jwt}` },
  });
  assert.equal(gone.status, 200);
}

async function walk(t, home) {
  const context = await browser.newContext();
  t.after(() => context.close());
  holdfast.watch(context);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  const refusals = [];
  page.on("response", (response) => response.status() === 401 && refusals.push(response.url()));
  await mainPath(page, { home, holdfast });
  assert.doesNotMatch(page.url(), /completion=/);
  assert.deepEqual(troubles, []);
  assert.deepEqual(refusals, []);
  await disconnect(page);
}

/**
 * The router of the page adds to the query that it knows: the return is not part of that any more.
 */
async function writesNothingBack(t, home) {
  const context = await browser.newContext();
  t.after(() => context.close());
  holdfast.watch(context);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const forgets = (parameter) =>
    page.waitForFunction((each) => !JSON.stringify(history.state).includes(each), parameter);
  const leave = () => page.getByRole("button", { name: "Connect Instagram" }).click();
  await page.goto(home);
  await leave();
  await page.getByRole("button", { name: "Deny" }).click();
  await page.getByText("The connection was declined at Instagram.").waitFor();
  await forgets("attempt");
  await leave();
  await approve(page, new URL(home).origin);
  await page.getByText(/^Connected$/).waitFor();
  await forgets("completion");
  await page.getByRole("button", { name: "More" }).click();
  await page.waitForURL(`${home}&more=1`);
  await disconnect(page);
}

test("Vite", async (t) => {
  const app = await freshApp(t, {
    "package.json": '{"private": true, "type": "module"}',
    "index.html":
      '<!doctype html><html lang="en"><title>App</title><div id="root"></div><script type="module" src="/main.jsx"></script></html>',
    ".env.local": readmeBlock("sh", "VITE_HOLDFAST_URL").replace(
      "https://api.example.com",
      holdfast.url,
    ),
    "vite.config.js":
      'import react from "@vitejs/plugin-react";\nexport default { plugins: [react()] };\n',
    "sign-in.js": signIn(holdfast.config.clerk_url),
    "auth.js": clerk,
    "main.jsx": readmeBlock("jsx", "createRoot").replace('"@clerk/react"', '"./auth.js"'),
  });
  await walk(
    t,
    await serve(t, app, "vite", "--host", "127.0.0.1", "--strictPort", "--port", String(apps.vite)),
  );
});

/** What a stylesheet leaves of the card's ground, where the page declares no `color-scheme`. */
async function ground(t, css) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.setContent(`<style>${css}</style><section class="hf-connection">Connected</section>`);
  return page.evaluate(() => getComputedStyle(document.querySelector("section")).backgroundColor);
}

async function stylesheets(folder) {
  const names = await readdir(folder, { recursive: true });
  const css = names.filter((name) => name.endsWith(".css"));
  return (await Promise.all(css.map((name) => readFile(join(folder, name), "utf8")))).join("\n");
}

test("a stylesheet that Vite has compiled keeps its colours", async (t) => {
  const app = await freshApp(t, {
    "package.json": '{"private": true, "type": "module"}',
    "index.html": '<script type="module" src="/main.js"></script>',
    "main.js": 'import "holdfast-client/instagram-connection.css";\n',
  });
  await promisify(execFile)(binary("vite"), ["build"], { cwd: app });
  const css = await stylesheets(join(app, "dist"));
  assert.equal(await ground(t, css), "rgb(255, 255, 255)");
  const asOlder = css.replaceAll(
    /light-dark\((#\w+),\s*(#\w+)\)/g,
    "var(--lightningcss-light, $1) var(--lightningcss-dark, $2)",
  );
  assert.equal(await ground(t, asOlder), "rgb(255, 255, 255)");
});

test("Next", async (t) => {
  const providers = readmeBlock("jsx", "const Providers").replace('"@clerk/nextjs"', '"./auth.js"');
  const app = await freshApp(t, {
    "package.json": '{"private": true}',
    ".env.local": `NEXT_PUBLIC_HOLDFAST_URL=${holdfast.url}\n`,
    // As `create-next-app` sets it up: what reads a clock while it is prerendered does not build.
    "next.config.mjs": `export default { cacheComponents: true, turbopack: { root: ${JSON.stringify(fileURLToPath(new URL(".", import.meta.url)))} } };\n`,
    "app/sign-in.js": signIn(holdfast.config.clerk_url),
    "app/auth.js": `"use client";\n${clerk}`,
    "app/providers.jsx": providers,
    "app/layout.jsx": `import "holdfast-client/instagram-connection.css";\nimport { Providers } from "./providers";\nexport default function Layout({ children }) {\n  return <html lang="en"><body><Providers>{children}</Providers></body></html>;\n}\n`,
    "pages/_app.jsx": readmeBlock("jsx", "next/router").replace(
      '"@clerk/nextjs"',
      '"../app/auth.js"',
    ),
    "pages/older.jsx": `import { useRouter } from "next/router";\nimport { InstagramConnection } from "holdfast-client/react";\nexport default function Older() {\n  const router = useRouter();\n  const more = () => router.push({ query: { ...router.query, more: 1 } });\n  return <main><InstagramConnection /><button onClick={more}>More</button></main>;\n}\n`,
    "app/page.jsx": `import { InstagramConnection } from "holdfast-client/react";\nexport default function Page() {\n  return <InstagramConnection />;\n}\n`,
  });
  await promisify(execFile)(binary("next"), ["build"], { cwd: app });
  const css = await stylesheets(join(app, ".next/static"));
  assert.equal(await ground(t, css), "rgb(255, 255, 255)");
  const home = await serve(
    t,
    app,
    "next",
    "start",
    "--hostname",
    "127.0.0.1",
    "--port",
    String(apps.next),
  );
  await walk(t, home);
  await writesNothingBack(t, `${home}older?tab=2`);
});

// As Clerk's: it is there before it knows who is, and tells each listener once it does.
const clerkOfThePage = `import { enter, getToken, session } from "./sign-in.js";
const listeners = [];
window.Clerk = { addListener: (listener) => listeners.push(listener) };
await enter();
window.Clerk.session = { id: session.id, getToken };
window.Clerk.addListener = (listener) => (listener(), listeners.push(listener));
listeners.forEach((listener) => listener());
`;

test("a plain page, without a bundler", async (t) => {
  const script = readmeBlock(
    "js",
    'import { createHoldfastClient } from "holdfast-client";\nimport { describe',
  ).replace('"https://api.example.com"', JSON.stringify(holdfast.url));
  const markup = readmeBlock("html", "importmap");
  const app = await freshApp(t, {
    "index.html": `<!doctype html><html lang="en"><title>App</title>\n<script type="module" src="clerk.js"></script>\n${markup}</html>`,
    "page.js": script,
    "sign-in.js": signIn(holdfast.config.clerk_url),
    "clerk.js": clerkOfThePage,
  });
  const types = { ".html": "text/html", ".js": "text/javascript" };
  const server = createHttpServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    const path =
      pathname === "/"
        ? "/index.html"
        : pathname.replace(/^\/holdfast\//, "/node_modules/holdfast-client/src/");
    const content = await readFile(join(app, path)).catch(() => null);
    response.writeHead(content ? 200 : 404, {
      "content-type": types[extname(path)] ?? "text/plain",
    });
    response.end(content);
  });
  server.listen(apps.plain, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  await walk(t, `http://127.0.0.1:${apps.plain}/`);
});
