import type { Config } from "../config/config.ts";
import type { BrowseAnswer } from "../engine/browse.ts";
import type { RepositoryAccess } from "../engine/engine.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Context } from "./context.ts";

/**
 * The configuration that the newest backup holds: how a backup is made with a repository and a password alone. Paths
 * in it are those of the machine that it was made on.
 */
export async function storedConfig(context: Context, repository: RepositoryAccess): Promise<Config> {
  const { door, run, globals } = context;
  const { snapshots } = await door.snapshots({ repository }, run);
  const backups = snapshots.filter((row) => row.kind !== undefined);
  const names = [...new Set(backups.map((row) => row.crm))].toSorted();
  const known = names.join(", ");
  if (globals.crm === undefined && names.length > 1) throw new HoldfastError("crm-ambiguous", { known });
  const newest = backups.findLast((row) => globals.crm === undefined || row.crm === globals.crm);
  if (!newest) {
    if (globals.crm === undefined || names.length === 0) throw new HoldfastError("snapshot-none");
    throw new HoldfastError("crm-unknown", { name: globals.crm, known });
  }
  const read = (path: string) =>
    door.browse({ repository, point: { kind: "id", prefix: newest.id }, path }, run, textOf);
  const { configFromText } = await import("../config/load.ts");
  return configFromText(await read("/config/holdfast.yaml"), configPath(await read("/holdfast.json")));
}

const largestText = 16 << 20;

async function textOf(answer: BrowseAnswer): Promise<string> {
  if (answer.type !== "file") throw new HoldfastError("nothing-matched", { path: answer.path });
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer.content) {
    size += part.length;
    if (size > largestText) throw new HoldfastError("repository-damaged", { subject: answer.path });
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Where `holdfast.yaml` was, by the manifest, which is as hostile as any file until it is looked at. */
function configPath(manifest: string): string {
  const { config } = JSON.parse(manifest) as { readonly config?: unknown };
  for (const one of Array.isArray(config) ? (config as readonly Record<string, unknown>[]) : []) {
    if (one["name"] === "holdfast.yaml" && typeof one["path"] === "string") return one["path"];
  }
  throw new HoldfastError("repository-damaged", { subject: "holdfast.json" });
}
