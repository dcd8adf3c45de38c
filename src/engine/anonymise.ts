import type { Anonymiser } from "../contents/anonymise/anonymised.ts";
import { madeOf } from "../contents/anonymise/domains.ts";
import { type AnonymiseRule, anonymiseRules, personalKeys } from "../contents/anonymise/anonymise-rules.ts";
import { recordRow } from "../contents/records/record-row.ts";
import type { DatabaseAddress } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { OpenedPoint } from "./open-point.ts";
import { viewOf } from "./point-model.ts";
import type { PreparedExport } from "./records-prepare.ts";
import type { DatabaseWork } from "./restore-database.ts";

/** Of all databases of a point. A rule that is written must name something in one of them. `keys`: those that may tell somebody. */
export async function anonymiseRulesOf(
  point: OpenedPoint,
  signal: AbortSignal,
): Promise<{ readonly rules: readonly AnonymiseRule[]; readonly keys: readonly string[] }> {
  const written = Object.entries(point.description.anonymise ?? {});
  const known = new Set<string>();
  const rules: AnonymiseRule[] = [];
  const keys: string[] = [];
  for (const database of point.databases) {
    const { relations, model } = await viewOf(point, database, signal);
    const isHere = (name: string): boolean =>
      relations.tableNamed(name) !== undefined || relations.entities.some(({ entity }) => entity.name === name);
    const here = written.filter(([name]) => isHere(name));
    for (const [name] of here) known.add(name);
    const made = madeOf(database.schema.before);
    const own = Object.fromEntries(here);
    rules.push(...anonymiseRules(database.name, relations, database.engine, own, model?.personal, made));
    keys.push(...personalKeys(relations, database.engine, own, made));
  }
  const unknown = written.find(([name]) => !known.has(name));
  if (unknown) throw new HoldfastError("anonymise-column", { column: unknown[0] });
  return { rules, keys };
}

/** Reads all of a copy again: fails with `anonymise-leak` when anything is left that was to go. */
export async function refuseLeaks(
  { name, engine, shown }: DatabaseWork,
  anonymiser: Anonymiser,
  address: DatabaseAddress,
  { signal }: Run,
): Promise<void> {
  await using source = await engine.connect(address, { signal });
  await using built = await source.snapshot(signal, "rows");
  const leaks = new Leaks();
  for (const table of built.schema.tables) {
    const leaksIn = anonymiser.leaksIn(name, table);
    for await (const { lines, release } of built.reader(table).read({}, signal)) {
      const text = lines.toString("latin1");
      release?.();
      for (const line of text.split("\n").slice(0, -1)) {
        for (const column of leaksIn(line)) leaks.add(`${table.name}.${column.name}`);
      }
    }
  }
  leaks.refuse(shown);
}

/** Records for files, with the same certainty: texts of them may name people of the point who do not come along. */
export async function anonymisedExport(
  found: PreparedExport,
  anonymiser: Anonymiser,
  { databases }: OpenedPoint,
  signal: AbortSignal,
): Promise<PreparedExport> {
  const { database, target } = found.summary;
  for (const { name, schema, open } of databases) {
    if (name !== database) continue;
    for (const table of schema.tables) await anonymiser.learn(name, table, () => open(table), signal);
  }
  const rows = found.rows.map(({ row, why }) => {
    const line = anonymiser.lineOf(database, row.table)?.(row.line) ?? row.line;
    return { row: recordRow(row.table, line), why };
  });
  const leaks = new Leaks();
  for (const { row } of rows) {
    for (const column of anonymiser.leaksIn(database, row.table)(row.line))
      leaks.add(`${row.table.name}.${column.name}`);
  }
  leaks.refuse(target);
  return { ...found, rows };
}

const named = 10;

class Leaks {
  readonly #columns = new Map<string, number>();

  add(column: string): void {
    this.#columns.set(column, (this.#columns.get(column) ?? 0) + 1);
  }

  refuse(path: string): void {
    if (this.#columns.size === 0) return;
    const most = [...this.#columns].toSorted(([, a], [, b]) => b - a).slice(0, named);
    const columns = most.map(([column, count]) => `${column} (${count})`).join(", ");
    throw new HoldfastError("anonymise-leak", { path, columns });
  }
}
