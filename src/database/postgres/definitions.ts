import type { DatabaseAddress, DatabaseSchema } from "../database.ts";
import { definitionsFromCatalog } from "./catalog-definitions.ts";
import type { PostgresConnection } from "./connection.ts";
import type { Environment } from "./address.ts";
import { dumpedDefinitions } from "./pg-dump.ts";

/** The database's own DDL, in the two halves around its rows. */
export interface Definitions {
  /** Who wrote it: `pg_dump 15.18`, or `catalog` where no fitting pg_dump is there. */
  readonly source: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly uncovered: DatabaseSchema["uncovered"];
}

export interface DefinitionsInput {
  readonly address: DatabaseAddress;
  readonly connection: PostgresConnection;
  /** Of the session's transaction: `pg_export_snapshot()`. */
  readonly snapshot: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

export const noDefinitions: Definitions = { source: "none", before: [], after: [], uncovered: [] };

/** By `pg_dump` where one is there that is at least as new as the server; else from the catalog, which knows less. */
export async function readDefinitions(input: DefinitionsInput): Promise<Definitions> {
  return (await dumpedDefinitions(input)) ?? (await definitionsFromCatalog(input.connection));
}
