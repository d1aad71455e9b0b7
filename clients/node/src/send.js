/**
 * One exchange with Holdfast. Node's `fetch` keeps connections alive; what an answer means is the
 * asker's to say.
 */
"use strict";

/** Holdfast's answers are small; Instagram's, passed on, may be larger. */
const LARGEST_ANSWER = 4 * 1024 * 1024;

/** @param {string} base Where Holdfast answers. */
function createSend(base) {
  const root = webAddress("url", base.endsWith("/") ? base : `${base}/`);
  if (root.username || root.password)
    throw new TypeError("url must not hold a name and a password: Holdfast takes none");

  const once = async (path, options) => {
    const response = await fetch(new URL(path, root), {
      ...options,
      redirect: "manual", // Holdfast never redirects: an answer that does is another server's
      cache: "no-store", // frameworks that replace `fetch` remember answers
    });
    return { status: response.status, headers: response.headers, body: await textOf(response) };
  };
  // A kept-alive connection may be closed in the moment in which it is used again: a request that
  // may be done twice is tried once more. A `TypeError` of `fetch` says that no whole answer came.
  return (path, { method = "GET", isRepeatable = method === "GET", timeout, ...options }) => {
    const signal = AbortSignal.timeout(timeout); // of both tries together
    return once(path, { method, signal, ...options }).catch((error) => {
      if (!isRepeatable || error.name !== "TypeError") throw error;
      return once(path, { method, signal, ...options });
    });
  };
}

/** What `new URL` says of an address that is none names neither the option nor what is wrong. */
function webAddress(name, address) {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address))
    throw new TypeError(`${name} must be an address that begins with http:// or https://`);
  return new URL(address);
}

/** Bounded, because something else may answer in Holdfast's place. */
async function textOf(response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LARGEST_ANSWER) throw new RangeError("the answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

module.exports = { createSend, webAddress };
