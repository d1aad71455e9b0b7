/** The files that the migration guide offers, pasted as they are, in Chromium. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { connected, notConnected } from "../support/scripted-server.js";
import { guideBlock } from "../support/code-blocks.js";
import { launch, openApp, shows, until } from "./support/browser.js";

const pages = fileURLToPath(new URL("pages", import.meta.url));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/**
 * `main.jsx` and `settings.jsx` of the guide, with the app that they are pasted into and a stand-in
 * for Clerk's package.
 */
async function bundleOfGuide(api) {
  const files = {
    "guide:main": guideBlock("jsx", "<HoldfastProvider"),
    "guide:settings": guideBlock("jsx", "<InstagramConnection"),
    "./app": `
      import { useAuth } from "@clerk/react";
      import { Settings } from "guide:settings";
      export const App = () => <><header>{useAuth().isSignedIn && "Signed in as Ada"}</header><main><Settings /></main></>;`,
    "@clerk/react": `
      import { useSyncExternalStore } from "react";
      import { createSignIn } from "./sign-in.js";
      window.signOuts = 0;
      const signIn = (window.signIn = createSignIn(${JSON.stringify(api)}));
      export const ClerkProvider = ({ children }) => children;
      export const useAuth = () => ({
        ...useSyncExternalStore(signIn.subscribe, signIn.getState),
        getToken: (options) => signIn.getToken(options),
      });`,
  };
  const paste = {
    name: "paste",
    setup(builder) {
      builder.onResolve({ filter: /^(guide:|\.\/app$|@clerk\/react$)/ }, ({ path }) => ({
        path,
        namespace: "paste",
      }));
      builder.onLoad({ filter: /.*/, namespace: "paste" }, ({ path }) => ({
        contents: files[path],
        loader: "jsx",
        resolveDir: pages,
      }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: `import "guide:main";`, resolveDir: pages },
    bundle: true,
    format: "esm",
    jsx: "automatic",
    outdir: "out",
    write: false,
    plugins: [paste],
    define: {
      "process.env.NODE_ENV": '"development"',
      "import.meta.env.VITE_HOLDFAST_URL": JSON.stringify(api),
      "import.meta.env.VITE_CLERK_PUBLISHABLE_KEY": '"pk_test_"',
    },
  });
  return outputFiles.find(({ path }) => path.endsWith(".js")).text;
}

test("two pasted files show the connection, live, and survive a refused session", async (t) => {
  const app = await openApp(t, {
    browser,
    page: "guide.html",
    prepare: async ({ page, server }) => {
      const script = await bundleOfGuide(server.url);
      await page.route("**/guide.js", (route) =>
        route.fulfill({ contentType: "text/javascript", body: script }),
      );
    },
  });
  await shows(app, /Not connected/);
  await until(() => app.server.streams.size === 1, "the stream");
  app.server.announce(connected);
  await shows(app, /New posts go to @ada\.makes/);
  app.server.announce({ ...notConnected, version: 3 });
  await shows(app, /Not connected/);

  app.server.state.fault = "401";
  const before = app.requests().length;
  await app.endStream();
  await app.pass(300_000);
  await shows(app, /still signed in, but your requests are refused/);
  assert.ok(app.requests().length - before <= 2, `${app.requests().length - before} requests`);
  await app.isSignedIn();
});
