import { defineConfig } from "vite";

// File names without digests: the server answers with ETags, and the committed build changes in place.
export default defineConfig({
  base: "/console/",
  publicDir: "public",
  build: {
    outDir: "../src/outlive/entrypoints/http_api/console_files",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      output: { entryFileNames: "console.js", assetFileNames: "console[extname]", chunkFileNames: "[name].js" },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/v1": "http://127.0.0.1:8000" } },
});
