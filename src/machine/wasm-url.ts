// For pages: the bundler puts v86.wasm beside the page and makes this its address. Node reads the file (src/node/wasm.ts).
export { default as wasmUrl } from "v86/build/v86.wasm?url";
