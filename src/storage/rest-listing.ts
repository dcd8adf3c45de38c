import { asRecord, checkedSize, listError, readJson } from "./checked-answer.ts";
import { isStoredName } from "./layout.ts";
import type { ListedFile } from "./storage.ts";

/** What is asked for, and what a server that speaks the second version answers with. */
export const restVersion2 = "application/vnd.x.restic.rest.v2";

/** The size is absent in the protocol's first version. */
type SaidFile = Pick<ListedFile, "name"> & Partial<Pick<ListedFile, "size">>;

/** `[{"name", "size"}…]`, or `["name"…]` from a server of the first version; each of our names once. */
export async function listedFiles(
  { headers }: Response,
  body: AsyncIterable<Uint8Array>,
  path: string,
): Promise<readonly SaidFile[]> {
  const sized = headers.get("content-type")?.split(";")[0]?.trim() === restVersion2;
  const found = new Map<string, SaidFile>();
  for (const one of await parsedList(body, path)) {
    const { name, size } = asRecord(sized ? one : { name: one });
    if (typeof name !== "string") throw listError(path);
    if (!isStoredName(name)) continue;
    found.set(name, sized ? { name, size: checkedSize(typeof size === "number" ? size : undefined, path) } : { name });
  }
  return [...found.values()];
}

async function parsedList(body: AsyncIterable<Uint8Array>, path: string): Promise<readonly unknown[]> {
  const parsed = await readJson(body, path);
  // Go writes a list of nothing so.
  if (parsed === null) return [];
  if (!Array.isArray(parsed)) throw listError(path);
  return parsed as readonly unknown[];
}
