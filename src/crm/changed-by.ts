import type { TableSchema } from "../database/database.ts";

/**
 * Columns by which CRMs say who wrote a row, the best first: Odoo and Tryton, Dolibarr, SuiteCRM, EspoCRM, Vtiger, Twenty, CiviCRM and what
 * frameworks call it. A row's writer is the first of them that is not NULL.
 */
const names = [
  "write_uid",
  "fk_user_modif",
  "modified_user_id",
  "modified_by_id",
  "modified_id",
  "last_modified_id",
  "modifiedby",
  "modified_by",
  "updated_by_id",
  "updated_by",
  "updatedbyworkspacememberid",
  "create_uid",
  "fk_user_author",
  "fk_user_creat",
  "created_by_id",
  "created_id",
  "created_by",
  "createdbyworkspacememberid",
  "user_id",
];

/** Places of such columns in a table's lines, the best first; empty: the table does not say. */
export function changedByColumns({ columns }: TableSchema): readonly number[] {
  const plain = columns.map(({ name }) => name.toLowerCase());
  return names.flatMap((name) => {
    const at = plain.indexOf(name);
    return at < 0 ? [] : [at];
  });
}
