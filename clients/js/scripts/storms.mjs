/**
 * Every storm of `tests/support/storms.js` in real time, all at once and each in a thread of its
 * own: two minutes of trouble, a minute and a half of recovery. Prints what an open page has sent;
 * exit 1 where it was too much, or is not well again.
 */
import { setTimeout as pass } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { realClock } from "../src/core/timing.js";
import { runStorm, storms } from "../tests/support/storms.js";

async function run(name) {
  const last = [];
  const t = { after: (work) => last.unshift(work) };
  // What a step has taken beyond its time is made up for in the next ones.
  let due = Date.now();
  const advance = (ms) => pass((due += ms) - Date.now());
  try {
    return { minutes: await runStorm(t, name, { clock: realClock, advance }) };
  } catch (error) {
    return { trouble: error.message };
  } finally {
    for (const work of last) await work();
  }
}

function inThread(name) {
  const worker = new Worker(new URL(import.meta.url), { workerData: name });
  return new Promise((resolve, reject) => {
    worker.once("message", (result) => {
      const { minutes, trouble } = result;
      console.log(trouble ? `BAD  ${name}: ${trouble}` : `ok   ${minutes.join(" + ")}  ${name}`);
      worker.terminate();
      resolve(!trouble);
    });
    worker.once("error", reject);
  });
}

if (isMainThread) {
  const names = Object.keys(storms);
  console.log(`${names.length} storms, requests in the first and in the second minute:`);
  const areWell = await Promise.all(names.map(inThread));
  process.exitCode = areWell.every(Boolean) ? 0 : 1;
} else parentPort.postMessage(await run(workerData));
