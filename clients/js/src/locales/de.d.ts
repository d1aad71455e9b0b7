import type { Locale } from "../states.js";

export const de: Locale;
