/** The app as its README sets it up: by files. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const APP = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A copy of the app with that `.env.local`, as its README says, served on that port or a free one.
 */
export async function startVite(variables, port = 0) {
  const copy = await mkdtemp(join(APP, ".test-"));
  for (const name of [
    "src",
    "index.html",
    "vite.config.ts",
    "tsconfig.json",
    ".env",
    "package.json",
  ]) {
    await cp(join(APP, name), join(copy, name), { recursive: true });
  }
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(copy, ".env.local"), lines.join(""));
  const server = await createServer({
    root: copy,
    configFile: join(copy, "vite.config.ts"),
    cacheDir: join(copy, ".vite"),
    server: { port, strictPort: port !== 0 },
    logLevel: "error",
  });
  await server.listen();
  return {
    home: server.resolvedUrls.local[0],
    async close() {
      await server.close();
      await rm(copy, { recursive: true });
    },
  };
}
