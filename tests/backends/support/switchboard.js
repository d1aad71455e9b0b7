/**
 * An address whose far end can be changed while clients stay connected: Holdfast, its absence, or
 * somebody else.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";

export async function switchboard() {
  let target = null;
  const sockets = new Set();
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => {}).on("close", () => sockets.delete(client));
    if (!target) return client.destroy();
    const far = connect(target, "127.0.0.1");
    sockets.add(far);
    far
      .on("error", () => client.destroy())
      .on("close", () => (sockets.delete(far), client.destroy()));
    client.on("close", () => far.destroy());
    client.pipe(far).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    url: `http://127.0.0.1:${server.address().port}`,
    /** From now on everything goes to that address; null for nowhere. */
    to(url) {
      target = url ? Number(new URL(url).port) : null;
      for (const socket of sockets) socket.destroy();
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
