import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema } from "../database.ts";
import type { TextEncoding } from "./row-sql.ts";

/** `DatabaseSchema.settings` of a SQLite database, checked: they come from a repository. */
export interface Settings {
  readonly encoding: TextEncoding;
  readonly pageSize: number;
  readonly autoVacuum: number;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly journalMode: "wal" | "delete";
  /** There is a `sqlite_sequence`: some table has AUTOINCREMENT. */
  readonly hasCounters: boolean;
}

export function readSettings({ engine, settings }: DatabaseSchema): Settings {
  if (engine !== "sqlite") throw new HoldfastError("database-unsupported", { location: engine });
  const integer = (name: string, fallback: number): number => {
    const value = settings[name] ?? fallback;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw new HoldfastError("restore-mismatch", { subject: name, reason: "not a whole number" });
    }
    return value;
  };
  const encoding = settings["encoding"];
  return {
    encoding: encoding === "UTF-16le" || encoding === "UTF-16be" ? encoding : "UTF-8",
    pageSize: integer("page_size", 4096),
    autoVacuum: integer("auto_vacuum", 0),
    userVersion: integer("user_version", 0),
    applicationId: integer("application_id", 0),
    journalMode: settings["journal_mode"] === "wal" ? "wal" : "delete",
    hasCounters: integer("sqlite_sequence", 0) === 1,
  };
}
