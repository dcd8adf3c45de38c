import { createCipheriv, createHash } from "node:crypto";

/** Bytes without any pattern, the same for the same name: AES in counter mode under a key made from it. */
export function noise(name: string, length: number): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
