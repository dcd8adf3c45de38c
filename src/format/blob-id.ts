import { hash } from "node:crypto";

/**
 * A blob's id: SHA-256 of what it holds. By way of a text, since Node makes memory for each Buffer that its `hash`
 * answers with, which costs as much again as hashing a small blob does.
 */
export function blobId(bytes: Uint8Array): Buffer {
  return Buffer.from(hash("sha256", bytes, "latin1"), "latin1");
}

/** Whether these bytes are what the id names. */
export function hasBlobId(bytes: Uint8Array, id: Uint8Array): boolean {
  return blobId(bytes).equals(id);
}
