import { build, type Plugin } from "vite";

/** One module with everything in it, as the page's own build makes it, but readable. */
export async function bundle(entry: string, plugins: Plugin[] = []): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    plugins,
    build: {
      write: false,
      minify: false,
      target: "es2022",
      lib: { entry, formats: ["es"], fileName: "bundle" },
      rollupOptions: { output: { inlineDynamicImports: true } },
    },
  });
  const output = [result].flat().flatMap((each) => ("output" in each ? each.output : []));
  const chunk = output.find((each) => each.type === "chunk");
  if (!chunk) throw new Error(`Nothing came of bundling ${entry}.`);
  return chunk.code;
}
