import { serve } from "./serve.mjs";

const { url } = await serve(4174);
console.log(`${url}/gallery/`);
