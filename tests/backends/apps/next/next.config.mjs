import { fileURLToPath } from "node:url";

export default {
  // The client is linked from outside this folder.
  turbopack: { root: fileURLToPath(new URL("../../../..", import.meta.url)) },
};
