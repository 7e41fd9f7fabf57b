import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` asks this engine; `TOCSIN_HTTP=http://127.0.0.1:8081 npm run dev` another one.
const engine = process.env["TOCSIN_HTTP"] ?? "http://127.0.0.1:8080";

export default defineConfig(({ command }) => ({
  plugins: [react()],
  // The built page is served below whatever path a proxy gives it: all its addresses are relative, and the engine
  // writes how deep the asked page lies (engine/http/dashboard.py).
  base: command === "build" ? "./" : "/",
  build: {
    outDir: "../../engine/http/static",
    emptyOutDir: true,
    // Small images would become data: addresses inside styles; there are none, and fonts must not.
    assetsInlineLimit: 0,
    // Browsers that know light-dark(), which the colours of the page are written with.
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": { target: engine, changeOrigin: true }, "/metrics": { target: engine } } },
}));
