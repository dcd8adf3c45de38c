/** Memory, positions and lengths of direct reads and writes must be multiples of the disk's block: 512 or 4096. */
export const diskBlock = 4096;

const wasmPage = 64 << 10;

/** Memory that starts at a page, as `O_DIRECT` wants it: only WebAssembly gives such. `bytes`: multiple of 64 KiB. */
export function alignedMemory(bytes: number): Buffer {
  const pages = bytes / wasmPage;
  return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

// Node's types leave it out.
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};
