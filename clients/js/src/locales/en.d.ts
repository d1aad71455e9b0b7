import type { Locale } from "../states.js";

export const en: Locale;
