/** Mistakes in the set-up are told when the client is made, in words that say what to do. */

import { HoldfastNetworkError } from "./errors.js";

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
  // An address without its origin would send the token to the server of this page.
  if (!/^(https?:\/\/[^/]|\/(?![/\\]))\S*$/.test(base)) {
    fail(`baseUrl is ${baseUrl}, not an address`);
  }
  if (!getToken?.call) fail("getToken is no function");
  return base.replace(/\/+$/, "");
}

/**
 * How a page leaves for another. Apps have no address bar, and must say how. Instagram lets nobody
 * show it in a frame: from there it is a window, opened in the press itself, since later a browser
 * would block it.
 * @returns {() => { location: { assign(url: string): unknown }, close?: () => void }}
 */
export function byAddressBar() {
  if (globalThis.navigator?.product === "ReactNative") fail("navigate must call Linking.openURL");
  return () => {
    if (top === self) return { location };
    let page;
    try {
      page = open();
    } catch {
      // Firefox, where the sandbox of the frame forbids it; others give null.
    }
    if (!page) throw new HoldfastNetworkError({ code: "window-blocked" });
    page.opener = null; // what is there must not be able to lead this page elsewhere
    return page;
  };
}
