/** Mistakes in the set-up are told when the client is made, in words that say what to do. */

/** @param {string} message @returns {never} */
function fail(message) {
  throw new TypeError(`Holdfast: ${message}`);
}

/**
 * The address to put before paths.
 * @param {{ baseUrl: string | URL, getToken: Function }} options
 */
export function checkServer({ baseUrl, getToken }) {
  // An address without its origin would send the token to whoever serves this page.
  if (!/^https?:\/\/[^/]|^\/(?!\/)/.test(`${baseUrl ?? ""}`)) {
    fail(`baseUrl is ${baseUrl}, which is no address of a server`);
  }
  if (typeof getToken !== "function") fail("getToken is no function");
  return `${baseUrl}`.replace(/\/+$/, "");
}

/** @param {import("../holdfast-client.d.ts").HoldfastClientOptions} options */
export function checkOptions(options) {
  const isApp = globalThis.navigator?.product === "ReactNative";
  if (isApp && !options.navigate) fail("navigate is missing: (url) => Linking.openURL(url)");
  return checkServer(options);
}
