import assert from "node:assert/strict";
import type { DatabaseEngine } from "../../src/database/database.ts";

/** Of each table: the names of its columns, and all its rows as lines. */
export type Rows = ReadonlyMap<string, { readonly columns: readonly string[]; readonly lines: readonly string[] }>;

/** All rows of all tables. */
export async function allRows(engine: DatabaseEngine, url: string): Promise<Rows> {
  const { signal } = new AbortController();
  await using source = await engine.connect({ url }, { signal });
  await using snapshot = await source.snapshot(signal);
  const tables = new Map<string, { columns: readonly string[]; lines: readonly string[] }>();
  for (const table of snapshot.schema.tables) {
    const lines: string[] = [];
    for await (const { lines: bytes } of snapshot.reader(table).read({}, signal)) {
      lines.push(...bytes.toString("latin1").split("\n").slice(0, -1));
    }
    tables.set(table.name, { columns: table.columns.map(({ name }) => name), lines });
  }
  return tables;
}

/** Tables whose rows differ, in any order. @param without columns that do not count: `table.column` */
export function differing(a: Rows, b: Rows, without: readonly string[] = []): readonly string[] {
  const content = (rows: Rows, name: string): string => {
    const { columns = [], lines = [] } = rows.get(name) ?? {};
    const counts = columns.map((column) => !without.includes(`${name}.${column}`));
    const kept = (line: string) => line.split("\t").filter((_, at) => counts[at]);
    return lines
      .map((line) => kept(line).join("\t"))
      .toSorted()
      .join("\n");
  };
  assert.deepEqual([...b.keys()], [...a.keys()]);
  return [...a.keys()].filter((name) => content(a, name) !== content(b, name));
}

/** What belongs to a third party, in an order in which the database lets it go. */
export function deleteThirdParty(party: string): string {
  const of = (table: string): string => `SELECT rowid FROM llx_${table} WHERE fk_soc = ${party}`;
  return `
    DELETE FROM llx_paiement_facture WHERE fk_facture IN (${of("facture")});
    DELETE FROM llx_facturedet WHERE fk_facture IN (${of("facture")});
    UPDATE llx_facture SET fk_facture_source = NULL WHERE fk_soc = ${party};
    DELETE FROM llx_facture WHERE fk_soc = ${party};
    DELETE FROM llx_facturedet_rec WHERE fk_facture IN (${of("facture_rec")}); DELETE FROM llx_facture_rec WHERE fk_soc = ${party};
    DELETE FROM llx_commandedet WHERE fk_commande IN (${of("commande")}); DELETE FROM llx_commande WHERE fk_soc = ${party};
    DELETE FROM llx_categorie_contact WHERE fk_socpeople IN (${of("socpeople")}); DELETE FROM llx_socpeople WHERE fk_soc = ${party};
    DELETE FROM llx_categorie_fournisseur WHERE fk_soc = ${party}; DELETE FROM llx_categorie_societe WHERE fk_soc = ${party};
    DELETE FROM llx_societe_account WHERE fk_soc = ${party};
    UPDATE llx_adherent SET fk_soc = NULL WHERE fk_soc = ${party}; UPDATE llx_projet SET fk_soc = NULL WHERE fk_soc = ${party};
    DELETE FROM llx_societe WHERE rowid = ${party};`;
}
