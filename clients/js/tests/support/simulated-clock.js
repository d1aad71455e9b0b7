/**
 * Time that passes only when told to, for the client's `clock` seam. The network is real and takes
 * the time it takes: `settle` waits until it has nothing more to deliver, and only then the next
 * simulated instant comes.
 */
export function createSimulatedClock(settle, start = Date.parse("2026-11-23T00:00:00Z")) {
  let now = start;
  let nextId = 1;
  const timers = new Map();

  return {
    clock: {
      now: () => now,
      setTimeout(callback, ms) {
        const id = nextId++;
        timers.set(id, { at: now + Math.max(0, ms), callback });
        return id;
      },
      clearTimeout: (id) => void timers.delete(id),
    },
    pending: () => timers.size,
    /** The computer's clock is set anew; timers run on, as they do. */
    jump(ms) {
      now += ms;
      for (const timer of timers.values()) timer.at += ms;
    },
    settle,
    /** Runs what is due within `ms`, in order, letting the network answer after each instant. */
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = [...timers]
          .filter(([, { at }]) => at <= end)
          .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
        if (!due) break;
        const [id, { at, callback }] = due;
        timers.delete(id);
        now = Math.max(now, at);
        callback();
        await settle();
      }
      now = end;
    },
  };
}
