/**
 * The browser's side of Holdfast. What each part does is said where it is; types:
 * `holdfast-client.d.ts`.
 */
export { authorizedFetch } from "./core/authorized-fetch.js";
export { createHoldfastClient } from "./core/client.js";
export {
  HoldfastError,
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastServiceError,
  HoldfastSessionError,
} from "./core/errors.js";
