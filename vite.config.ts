import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { imageFiles } from "./server/files.ts";
import { problemsOfLessons } from "./scripts/lessons.ts";
import { MACHINE_SCRIPT, securityHeaders } from "./server/headers.ts";

const wasm = createRequire(import.meta.url).resolve("v86/build/v86.wasm");

export default defineConfig({
  // Not `public`: public/images holds the guest images, which the server serves from where they are.
  publicDir: "src/page/public",
  define: {
    // The response's own length says nothing about progress when it comes compressed.
    __V86_WASM_SIZE__: statSync(wasm).size,
  },
  // v86 has code for Node, behind a check, that imports these; no browser gets there.
  worker: {
    format: "es",
    rollupOptions: {
      external: /^node:/,
      // The machine's has a policy of its own, by its name.
      output: { entryFileNames: ({ facadeModuleId }) => workerName(facadeModuleId ?? "") },
    },
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // xterm.js is most of it, and everything is needed at once.
    chunkSizeWarningLimit: 1500,
    sourcemap: false,
  },
  server: { headers: securityHeaders("development"), strictPort: false },
  plugins: [guestImages(), compressedCopies(), readableLessons()],
});

function workerName(module: string): string {
  return module.endsWith("/worker/main.ts")
    ? `${MACHINE_SCRIPT.slice(1)}[hash].js`
    : "assets/[name]-[hash].js";
}

/** Serves the guest images in development as the server does in production. */
function guestImages(): Plugin {
  return {
    name: "ringside-guest-images",
    configureServer(server) {
      server.middlewares.use(imageFiles(join(server.config.root, "public/images")));
    },
  };
}

/** A lesson that cannot be read is no part of a page: the build says why. In development the page does. */
function readableLessons(): Plugin {
  return {
    name: "ringside-lessons",
    apply: "build",
    buildStart() {
      const problems = problemsOfLessons("lessons");
      if (problems !== "") this.error(problems);
    },
  };
}

/** Brotli and gzip copies of what compresses well; the server picks by the browser's `Accept-Encoding`. */
function compressedCopies(): Plugin {
  const worthwhile = /\.(js|css|html|svg|wasm|webmanifest)$/;
  const smallest = 1024;
  return {
    name: "ringside-compressed-copies",
    apply: "build",
    // Once, after everything (worker bundles included) is on the disk.
    closeBundle() {
      const output = join(import.meta.dirname, "dist");
      for (const name of readdirSync(output, { recursive: true, encoding: "utf8" })) {
        if (!worthwhile.test(name)) continue;
        const path = join(output, name);
        const bytes = readFileSync(path);
        if (bytes.length < smallest) continue;
        // Quality 9 takes a tenth of the time of 11 for 3 % more bytes.
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
        );
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
