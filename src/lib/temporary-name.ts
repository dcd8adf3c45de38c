import { randomBytes } from "node:crypto";
import type { ByteName } from "./byte-name.ts";

/**
 * Name of a thing that is being made beside its final place and renamed there when it is whole. What a crash leaves
 * under such a name is worthless: the next restore into the folder removes it.
 */
export function temporaryName(): ByteName {
  return `.holdfast-${randomBytes(8).toString("hex")}` as ByteName;
}

export function isTemporaryName(name: ByteName): boolean {
  return /^\.holdfast-[0-9a-f]{16}$/.test(name);
}
