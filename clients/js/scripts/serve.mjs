/**
 * Serves this folder on loopback for the gallery and for tests: files of `src/` as they are, other scripts bundled
 * with their packages on request. Nothing is written to disk.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

const bundle = async (file) =>
  (
    await build({
      entryPoints: [file],
      bundle: true,
      format: "esm",
      define: { "process.env.NODE_ENV": '"development"' },
      write: false,
    })
  ).outputFiles[0].contents;

export async function serve(port = 0) {
  const bundles = new Map();
  const server = createServer(async (request, response) => {
    let path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    if (path.endsWith("/")) path += "index.html";
    const type = TYPES[extname(path)];
    try {
      if (!type) throw new Error("not a page");
      const file = join(root, path);
      const isAsIs = type !== "text/javascript" || path.startsWith("/src/");
      if (!isAsIs && !bundles.has(path)) bundles.set(path, bundle(file));
      const content = isAsIs ? await readFile(file) : await bundles.get(path);
      response.writeHead(200, { "content-type": `${type}; charset=utf-8` });
      response.end(content);
    } catch (error) {
      bundles.delete(path);
      response.writeHead(404, { "content-type": "text/plain" });
      response.end(error.message);
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
