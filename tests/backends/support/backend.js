/**
 * A backend behind a proxy: believes the identity headers, and reads names as CGI does, where many
 * spellings are one variable.
 */
import { once } from "node:events";
import { createServer } from "node:http";

/** Whatever is neither a letter nor a digit becomes the same character. */
const folded = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "-");

/** The identity headers among raw ones. */
function identityIn(raw) {
  return raw
    .map((name, at) => [folded(name), raw[at + 1]])
    .filter(([name], at) => at % 2 === 0 && name.startsWith("x-auth-"));
}

export async function startBackend() {
  const requests = [];
  const server = createServer((request, response) => {
    const identity = identityIn(request.rawHeaders);
    requests.push({
      door: request.headers["x-door"],
      method: request.method,
      url: request.url,
      identity,
    });
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
