/** Work that is under way. */

/** For a failure that is told elsewhere. */
export const ignore = () => {};

/**
 * Those who ask while the work is under way get the promise that there is.
 * @template T
 * @param {() => Promise<T>} work
 */
export function joined(work) {
  let running = /** @type {Promise<T> | null} */ (null);
  return () => (running ??= work().finally(() => (running = null)));
}
