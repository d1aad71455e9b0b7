/** A backend behind a proxy: believes the identity headers, under any spelling that some framework takes for them. */
import { once } from "node:events";
import { createServer } from "node:http";

export async function startBackend() {
  const requests = [];
  const server = createServer((request, response) => {
    const identity = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const name = request.rawHeaders[at].toLowerCase().replaceAll("_", "-");
      // Caddy sets what Holdfast did not say to nothing, which names nobody.
      if (name.startsWith("x-auth-") && request.rawHeaders[at + 1] !== "")
        identity.push([name, request.rawHeaders[at + 1]]);
    }
    requests.push({ method: request.method, url: request.url, identity });
    request.resume();
    const user = identity.find(([name]) => name === "x-auth-user")?.[1] ?? null;
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ user, identity }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    requests,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
