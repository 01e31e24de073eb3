/** Vite: the address under which an imported file is served. */
declare module "*?url" {
  const url: string;
  export default url;
}

/** Bytes of v86.wasm, set by vite.config.ts. */
declare const __V86_WASM_SIZE__: number;
