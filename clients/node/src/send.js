/** One exchange with Holdfast. Node's `fetch` keeps connections alive; what an answer means is the asker's to say. */
"use strict";

/** @param {string} base Where Holdfast answers. */
function createSend(base) {
  const root = new URL(base.endsWith("/") ? base : `${base}/`);
  if (!/^https?:$/.test(root.protocol))
    throw new TypeError("url must begin with http:// or https://");

  const once = async (path, { timeout, ...options }) => {
    const response = await fetch(new URL(path, root), {
      ...options,
      redirect: "manual", // Holdfast never redirects; whoever does is somebody else
      cache: "no-store", // frameworks that replace `fetch` remember answers
      signal: AbortSignal.timeout(timeout),
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
  // A kept-alive connection may be closed in the moment in which it is used again: reading is tried once more.
  return (path, { method = "GET", ...options }) =>
    once(path, { method, ...options }).catch((error) => {
      if (method !== "GET" || error.name === "TimeoutError") throw error;
      return once(path, { method, ...options });
    });
}

exports.createSend = createSend;
