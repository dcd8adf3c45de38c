import type { LogPosition } from "../database/change-feed.ts";
import type { Id } from "../format/tree.ts";
import type { Engine } from "./engine.ts";
import { noteState, readState } from "./state.ts";

/**
 * How a backup on this machine asks whoever follows the CRM to store where the log has got to, though nothing may have happened: where
 * each database's journal has to lead.
 */
export async function askJournal(
  engine: Engine,
  repository: Id,
  crm: string,
  wanted: Readonly<Record<string, LogPosition>>,
): Promise<void> {
  await noteState(engine, stateName(repository, crm), wanted);
}

/** What was asked for last. */
export async function journalWanted(
  engine: Engine,
  repository: Id,
  crm: string,
): Promise<ReadonlyMap<string, LogPosition>> {
  const wanted = (await readState(engine, stateName(repository, crm))) ?? {};
  const pairs = typeof wanted === "object" ? Object.entries(wanted) : [];
  return new Map(pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string"));
}

function stateName(repository: Id, crm: string): string {
  return `journal/${repository.slice(0, 12)}-${encodeURIComponent(crm)}.wanted.json`;
}
