import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The client is linked from this repository; without this it would bring its own copy of React.
  resolve: { dedupe: ["react", "react-dom"] },
  // One fixed origin: it has to stand in HOLDFAST_ALLOWED_ORIGINS.
  server: { host: "127.0.0.1", port: 5173, strictPort: true },
});
