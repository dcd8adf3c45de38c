import type { StreamsOfFolder } from "../repository/repository.ts";
import { layout } from "./layout.ts";

const files = new RegExp(`^/[^/]+/${layout.files}(/|$)`);
const base = new RegExp(`^/[^/]+/${layout.databases}/.*/${layout.base}/[^/]+$`);

/**
 * Which packs the contents of a file of a backup belong to, by its path alone: attachments and the rows of a table's
 * base are bulk, everything else is read often. What `backup` decides where it stores them, for who copies them.
 */
export const streamsOf: StreamsOfFolder = (folder) => {
  if (files.test(folder)) return "bulk";
  return base.test(folder) ? (name) => (name === layout.rows ? "bulk" : "hot") : () => "hot";
};

/** The same where bulk may go cold: rows are read by the next backup, so only the contents of files are bulk. */
export const streamsAtHand: StreamsOfFolder = (folder) => (files.test(folder) ? "bulk" : () => "hot");
