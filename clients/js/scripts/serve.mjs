/**
 * Serves this folder on loopback for the gallery and for tests: files of `src/` as they are, other
 * scripts bundled with their packages on request. Nothing is written to disk.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

/**
 * The oldest React that the package promises to work with, for scripts that ask for it:
 * `app.js?react=18`.
 */
const react18 = join(root, "tests/react-18/node_modules");
const REACT_18 = {
  react: `${react18}/react`,
  "react-dom/client": `${react18}/react-dom/client.js`,
  "react-dom/server": `${react18}/react-dom/server.browser.js`,
  "react-dom": `${react18}/react-dom`,
};

const bundle = async (file, alias) =>
  (
    await build({
      entryPoints: [file],
      bundle: true,
      format: "esm",
      alias,
      define: { "process.env.NODE_ENV": '"development"' },
      write: false,
    })
  ).outputFiles[0].contents;

export async function serve(port = 0) {
  const bundles = new Map();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    const alias = searchParams.get("react") === "18" ? REACT_18 : {};
    let path = normalize(decodeURIComponent(pathname));
    if (path.endsWith("/")) path += "index.html";
    const type = TYPES[extname(path)];
    try {
      if (!type) throw new Error("not a page");
      const file = join(root, path);
      const isAsIs = type !== "text/javascript" || path.startsWith("/src/");
      if (!isAsIs && !bundles.has(request.url)) bundles.set(request.url, bundle(file, alias));
      const content = isAsIs ? await readFile(file) : await bundles.get(request.url);
      response.writeHead(200, { "content-type": `${type}; charset=utf-8` });
      response.end(content);
    } catch (error) {
      bundles.delete(request.url);
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
