"use client";
/** What there is for React 18 and newer. A bundler leaves out what a page does not import. */
export { InstagramConnection } from "./instagram-connection.js";
export { HoldfastProvider, useHoldfastClient, useInstagram } from "./use-instagram.js";
