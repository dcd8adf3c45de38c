import { readDatabase, signsOf, verifyTable } from "../contents/databases.ts";
import { layout } from "../contents/layout.ts";
import { openSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import type { DatabaseEngine } from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Defect, DefectCode } from "../repository/defects.ts";
import type { IndexedRepository, StoredSnapshot } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";
import { crmOf, isBackup } from "./points.ts";

export interface TablesToVerify {
  readonly engine: Engine;
  readonly indexed: IndexedRepository;
  readonly snapshots: readonly StoredSnapshot[];
  /** Whose defects are known already: their rows would only say the same. */
  readonly touched: ReadonlySet<Id>;
  /** When the rows of a snapshot were last summed up. */
  readonly read: ReadonlyMap<Id, string>;
  /** A snapshot is left for another time when it would make more bytes of rows than these. */
  readonly bytes: number;
  /** Whether the newest backup of each CRM is read whatever it takes. */
  readonly newest: "always" | "in turn";
  readonly run: Run;
}

export interface VerifiedTables {
  readonly defects: readonly Defect[];
  /** Snapshots whose rows were all summed up. */
  readonly snapshots: readonly Id[];
  readonly tables: number;
}

/**
 * Sums up and signs the rows of tables anew and compares with what was noted of them when they were backed up. When everything is
 * read, the newest backup of each CRM in any case; then the others, those first that were never looked at or longest ago:
 * many snapshots share their base, and to read it again for each would take longer than anybody waits. Tables that
 * several share are read once.
 */
export async function verifyTables(input: TablesToVerify): Promise<VerifiedTables> {
  const { touched, run } = input;
  const found = new Findings();
  const done: Id[] = [];
  const newest = new Map<string, Id>();
  const backups = input.snapshots.filter((stored) => isBackup(stored) && !touched.has(stored.id));
  for (const stored of backups) newest.set(crmOf(stored), stored.id);
  const always = new Set(input.newest === "always" ? newest.values() : []);
  const rank = ({ id }: StoredSnapshot): string => (always.has(id) ? "" : (input.read.get(id) ?? "-"));
  for (const stored of backups.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0))) {
    run.signal.throwIfAborted();
    const bytes = stored.snapshot.summary?.totalBytesProcessed ?? 0;
    if (!always.has(stored.id) && found.bytes + bytes > input.bytes) continue;
    await verifySnapshot(input, stored, found);
    done.push(stored.id);
  }
  return { defects: found.all, snapshots: done, tables: found.tables };
}

class Findings {
  readonly #defects: {
    readonly code: DefectCode;
    readonly subject: string;
    readonly detail: string;
    snapshots: Id[];
  }[] = [];
  /** By the table's tree: its defects are those of every snapshot that has it. */
  readonly #byTree = new Map<Id, { snapshots: Id[] }[]>();
  bytes = 0;

  get all(): readonly Defect[] {
    return this.#defects;
  }

  get tables(): number {
    return this.#byTree.size;
  }

  add(code: DefectCode, subject: string, detail: string, snapshot: Id): { snapshots: Id[] } {
    const defect = { code, subject, detail, snapshots: [snapshot] };
    this.#defects.push(defect);
    return defect;
  }

  /** Whether this table is new here; one that is known is of this snapshot too. */
  isNew(tree: Id, snapshot: Id): boolean {
    const known = this.#byTree.get(tree);
    for (const defect of known ?? []) defect.snapshots.push(snapshot);
    if (known === undefined) this.#byTree.set(tree, []);
    return known === undefined;
  }

  ofTable(tree: Id, defect: { snapshots: Id[] }): void {
    this.#byTree.get(tree)?.push(defect);
  }
}

async function verifySnapshot(input: TablesToVerify, stored: StoredSnapshot, found: Findings): Promise<void> {
  const { engine, indexed, run } = input;
  const { signal } = run;
  const crm = `/${crmOf(stored)}`;
  try {
    const opened = await openSnapshot(indexed, stored, signal);
    for (const { name, engine: engineName } of opened.manifest.databases) {
      const tree = await subtreeAt(indexed, opened.tree, [layout.databases, name], signal);
      const database = engine.databases.find((one) => one.name === engineName);
      if (database === undefined) continue; // a newer Holdfast's
      const subject = `${crm}/${layout.databases}/${name}`;
      if (tree === undefined) {
        found.add("manifest-damaged", subject, "", stored.id);
        continue;
      }
      const { tables } = await readDatabase(indexed, tree, database, signal);
      for (const table of tables) {
        if (!found.isNew(table.tree, stored.id)) continue;
        run.report({
          type: "progress",
          phase: "verify",
          doneBytes: found.bytes,
          doneItems: 0,
          subject: table.table.name,
        });
        found.bytes += table.bytes;
        for (const { code, detail } of await tableProblems(table, database, signal)) {
          found.ofTable(table.tree, found.add(code, `${subject}/${table.table.name}`, detail, stored.id));
        }
      }
    }
  } catch (error) {
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    const { subject, detail, reason } = error.facts;
    found.add("manifest-damaged", crm, String(subject ?? reason ?? detail ?? ""), stored.id);
  }
}

async function tableProblems(
  table: Parameters<typeof verifyTable>[0],
  database: DatabaseEngine,
  signal: AbortSignal,
): Promise<readonly { readonly code: DefectCode; readonly detail: string }[]> {
  try {
    return await verifyTable(table, signsOf(table.table, database), signal);
  } catch (error) {
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    return [{ code: "table-damaged", detail: String(error.facts["detail"] ?? error.facts["reason"] ?? "") }];
  }
}
