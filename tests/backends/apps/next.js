/** `node next.js HOLDFAST`: a Next app whose route handlers are judged by Holdfast. */
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import next from "next";

process.env.HOLDFAST_URL = process.argv[2];
const app = next({ dev: true, dir: fileURLToPath(new URL("next", import.meta.url)) });
await app.prepare();
const handle = app.getRequestHandler();
const server = createServer((request, response) => handle(request, response));
server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
