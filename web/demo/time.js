/** Moves the time of Holdfast and both stand-ins forward together, day by day or in one jump. */
import { byId, say } from "./dom.js";

const DAY_S = 86_400;
/** Between two days: long enough for Holdfast's worker to do what the day asks for. */
const DAY_LASTS_MS = 150;
/** What the page shows is read anew this often on the way. */
const DAYS_PER_LOOK = 5;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function clock(body) {
  const response = await fetch("/dev/clock", {
    method: body ? "POST" : "GET",
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The clock answered ${response.status}.`);
  return (await response.json()).ahead_s;
}

/**
 * @param {object} parts
 * @param {() => unknown} parts.onMove whatever was signed before is old now
 * @param {() => Promise<unknown>} parts.look reads the status anew
 */
export function createTime({ onMove, look }) {
  const slider = byId("days");
  let aheadSeconds = 0;
  let daysWanted = 0;
  let isMoving = false;

  const daysAhead = () => Math.floor(aheadSeconds / DAY_S);
  const daysLeft = () => daysWanted - daysAhead();

  const show = (seconds) => {
    aheadSeconds = seconds;
    const days = daysAhead();
    slider.value = String(days);
    slider.setAttribute("aria-valuetext", `${days} days later`);
    say(byId("days-later"), days === 1 ? "1 day later" : `${days} days later`);
  };

  async function forward(seconds) {
    show(await clock({ forward_s: seconds }));
    onMove();
  }

  /** Until the wanted day is there. It may change on the way: the slider can be dragged on. */
  async function travel() {
    while (daysLeft() > 0) {
      if (byId("asleep").checked) {
        await forward(daysLeft() * DAY_S);
      } else {
        await forward(DAY_S);
        await pause(DAY_LASTS_MS);
      }
      if (daysLeft() <= 0 || daysLeft() % DAYS_PER_LOOK === 0) await look();
    }
  }

  slider.addEventListener("change", async () => {
    daysWanted = Number(slider.value);
    if (isMoving) return; // the one that moves goes on to there
    isMoving = true;
    try {
      await travel();
    } finally {
      isMoving = false;
      show(aheadSeconds); // there is no way back
    }
  });

  return {
    /** The time at Holdfast, as far as this computer's clock is right. */
    now: () => Date.now() + aheadSeconds * 1_000,
    aheadSeconds: () => aheadSeconds,
    async start() {
      show(await clock());
    },
  };
}
