import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// `npm run dev` asks this engine; `TOCSIN_HTTP=http://127.0.0.1:8081 npm run dev` another one.
const engine = process.env["TOCSIN_HTTP"] ?? "http://127.0.0.1:8080";

/** Names what draws the page in the document, so that it is fetched beside the start and not after it. */
const drawnSoon: Plugin = {
  name: "drawn-soon",
  transformIndexHtml: {
    order: "post",
    handler: (html, { bundle = {} }) => {
      const chunks = Object.values(bundle).filter((each) => each.type === "chunk");
      const drawing = chunks.find(({ name }) => name === "draw");
      const wanted = drawing ? [drawing.fileName, ...drawing.imports] : [];
      return wanted
        .filter((file) => !html.includes(file))
        .map((file) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: "", href: `./${file}` },
          injectTo: "head",
        }));
    },
  },
};

export default defineConfig(({ command }) => ({
  plugins: [react(), drawnSoon],
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
