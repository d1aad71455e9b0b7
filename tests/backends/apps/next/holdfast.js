import { createHoldfast } from "holdfast-backend";

export const holdfast = createHoldfast({ url: process.env.HOLDFAST_URL });
