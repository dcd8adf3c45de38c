import { HoldfastError } from "../lib/errors.ts";
import type { TableSchema } from "./database.ts";

/**
 * Fails with `rows-miscounted` unless a statement touched as many rows as it was meant for: another one may have a key that
 * the database takes for equal, and a rule, a policy or a trigger may have had it done otherwise, or not at all.
 */
export function expectRows({ name }: TableSchema, wanted: number, touched: number): void {
  if (touched !== wanted) throw new HoldfastError("rows-miscounted", { table: name, wanted, touched });
}
