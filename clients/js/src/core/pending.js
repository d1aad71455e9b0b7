/** Work that is under way. */

/** For a failure that is told elsewhere. */
export const ignore = () => {};

/**
 * Those who ask while the work is under way get the promise that there is, if it is of their own
 * session.
 * @template T
 * @param {() => Promise<T>} work
 * @param {() => number} session the present one's number
 */
export function joined(work, session) {
  const running = /** @type {Record<number, Promise<T>>} */ ({});
  return () => {
    const now = session();
    return (running[now] ??= work().finally(() => delete running[now]));
  };
}
