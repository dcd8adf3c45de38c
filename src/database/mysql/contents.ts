import { createHash } from "node:crypto";
import { inspectDatabase } from "./inspect.ts";
import type { Session } from "./session.ts";

/** Digest of the tables of this session's database, their columns, and of how much else it has: the same under any name. */
export async function contentsOf(session: Session): Promise<string> {
  const { tables, before, after } = (await inspectDatabase(session)).schema;
  // Without schemas: that is the database itself, and has its name.
  const shapes = tables.map(({ name, columns }) => JSON.stringify([name, columns.map((column) => column.name)]));
  const all = JSON.stringify([shapes.toSorted(), before.length, after.length]);
  return createHash("sha256").update(all).digest("hex").slice(0, 32);
}
