/** Mistakes in the set-up are told when the client is made, in words that say what to do. */

/** @param {string} message @returns {never} */
export function fail(message) {
  throw new TypeError(`Holdfast: ${message}`);
}

/**
 * The address to put before paths.
 * @param {{ baseUrl: string | URL, getToken: Function }} options
 */
export function checkServer({ baseUrl, getToken }) {
  const base = String(baseUrl).trim();
  // An address without its origin would send the token to whoever serves this page.
  if (!/^(https?:\/\/[^/]|\/(?![/\\]))\S*$/.test(base)) {
    fail(`baseUrl is ${baseUrl}, not an address`);
  }
  if (!getToken?.call) fail("getToken is no function");
  return base.replace(/\/+$/, "");
}

/**
 * How a page leaves for another. Apps have no address bar, and must say how.
 * @returns {(url: string) => void}
 */
export function byAddressBar() {
  if (globalThis.navigator?.product === "ReactNative") fail("navigate must call Linking.openURL");
  return (url) => location.assign(url);
}
