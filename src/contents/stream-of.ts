import type { ByteName } from "../lib/byte-name.ts";
import type { PackStream } from "../repository/repository.ts";
import { layout } from "./layout.ts";

const files = new RegExp(`^/[^/]+/${layout.files}(/|$)`);
const base = new RegExp(`^/[^/]+/${layout.databases}/.*/${layout.base}/[^/]+$`);

/**
 * Which packs the contents of a file of a backup belong to, by its path alone: attachments and the rows of a table's
 * base are bulk, everything else is read often. What `backup` decides where it stores them, for who copies them.
 */
export function streamOf(folder: string, name: ByteName): PackStream {
  return files.test(folder) || (name === layout.rows && base.test(folder)) ? "bulk" : "hot";
}
