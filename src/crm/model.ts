import type { TableSchema } from "../database/database.ts";
import type { AnonymiseKind } from "../lib/anonymise-kinds.ts";
import type { CrmFiles } from "./crm-files.ts";

/**
 * What a CRM's tables mean to a person: entities, the references between their rows that the database does not
 * declare, and which columns change without anybody having changed anything. It is worked out from a recovery point's own
 * schema and rows, since versions of a CRM differ and some keep it in tables (Vtiger's `vtiger_entityname`, Twenty's
 * workspaces). Foreign keys that the database declares are added by whoever uses a model.
 */
export interface CrmModel {
  readonly entities: readonly Entity[];
  readonly references: readonly Reference[];
  /** Columns that a CRM writes by itself (technical timestamps, counters): folded in comparisons, with their count. */
  readonly noise: readonly { readonly table: TableName; readonly columns: readonly string[] }[];
  /**
   * Tables of no entity whose rows say of themselves that they are gone, as those of entities do: what joins two records goes
   * and comes with them.
   */
  readonly flags?: readonly { readonly table: TableName; readonly column: string; readonly when: "true" | "set" }[];
  /**
   * Tables that triggers of the database write, out of others: their rows come and go with those by themselves, and no restore of
   * records touches them.
   */
  readonly derived?: readonly TableName[];
  /** Absent: the CRM's database does not say what people call its columns. */
  readonly labels?: readonly ColumnLabels[];
  /**
   * What people call the columns of a table, where files of the CRM say it; asked for table by table, since each has files of
   * its own. `said`: what `labels` say of this table, which may be no more than the key of a text in such a file.
   */
  readonly fileLabels?: (table: TableSchema, said: ReadonlyMap<string, string>) => Promise<ReadonlyMap<string, string>>;
  /** What an anonymised copy needs to know; absent: what columns are called says it all. */
  readonly personal?: readonly PersonalData[];
}

/**
 * Columns with what tells who somebody is, where their names do not say so or say something else: copies of names in logs
 * and on documents, texts that people write. `keep`: it looks like somebody's, and is nobody's.
 */
export interface PersonalData {
  readonly table: TableName;
  readonly columns: Readonly<Record<string, AnonymiseKind>>;
  /** What stays where it is the whole of a value in one of them: names of the program's own users, by which it finds them. */
  readonly nobody?: readonly string[];
}

/** A table in which a CRM keeps what people call columns, a row a column: Odoo's `ir_model_fields`, Vtiger's `vtiger_field`. */
export interface ColumnLabels {
  readonly from: TableName;
  /** Where it says whose column, which, and the label: a text, or JSON with one for each language. */
  readonly columns: readonly [table: string, column: string, label: string];
  /** The table that is meant, by what stands in the first of `columns`. */
  readonly tables: ReadonlyMap<string, string>;
  /** What is no label where it stands in place of one, such as the key of a text that the CRM's code has. */
  readonly except?: RegExp;
}

export interface TableName {
  /** Absent: the table of this name, in whichever schema. */
  readonly schema?: string;
  readonly name: string;
}

export interface Entity {
  /** What a person types: `party`, `contact`. Unique in a model, lower-case letters of any script, digits, `_` and `-`; with `where`, two may share a table. */
  readonly name: string;
  /** Key of `words` under `entities`: what a person calls it. Absent: its name is shown. */
  readonly label?: string;
  readonly table: TableName;
  /** Only rows whose column has this text: Odoo's `crm_lead.type`, CiviCRM's `civicrm_contact.contact_type`. */
  readonly where?: { readonly column: string; readonly equals: string };
  /** Columns whose texts, joined by a space, name a record: `["first_name", "last_name"]`. */
  readonly title: readonly ModelColumn[];
  /**
   * Tables that hold more columns of the same record, at most one row each: SuiteCRM's `accounts_cstm` by `id_c`,
   * Vtiger's `vtiger_crmentity` by `crmid`. They come and go with the record.
   */
  readonly extensions: readonly { readonly table: TableName; readonly key: string }[];
  /** When it was made, by which it is told from another that has its key: no date that a person sets. */
  readonly created?: ModelColumn;
  /** Later first: Tryton's `write_date` is NULL until the first edit, so `["write_date", "create_date"]`. */
  readonly modified: readonly ModelColumn[];
  /**
   * A row that says of itself that it is gone: by a column that is then true (1, t) or set (not NULL). `archived`: no
   * deletion but a person's choice to hide it (Odoo's and Tryton's `active`, which is then false).
   */
  readonly deleted?: ModelColumn & {
    readonly when: "true" | "set";
    /** Columns of the same table that are written with it: EspoCRM's `delete_id` lets a name be given again. */
    readonly along?: readonly string[];
  };
  readonly archived?: ModelColumn & { readonly when: "true" | "false" };
}

/** A column of the entity's own table, or of one of its extensions. */
export interface ModelColumn {
  readonly column: string;
  readonly extension?: string;
}

/** Rows of `from` that name a row of `to` by the values of columns. */
export interface Reference {
  readonly from: TableName;
  readonly columns: readonly string[];
  readonly to: TableName;
  /** Columns of `to` that are named, as many as `columns`. */
  readonly referenced: readonly string[];
  /** Polymorphic pairs: only rows where this column has this text (`parent_type` is `Accounts`). */
  readonly when?: { readonly column: string; readonly equals: string };
  /** What stands before the value in the column: Tryton's `resource` is `party.party,1`, so `party.party,`. */
  readonly prefix?: string;
  /**
   * What restoring one row means for the other. The row of `to` is always needed by the row of `from` (a parent).
   * `belongs`: the row of `from` is a part of it and comes back with it (an invoice's lines, a note, an attachment);
   * `links`: the row of `from` does nothing but join two records, and comes back when both are there;
   * `refers`: it merely points there.
   */
  readonly kind: "belongs" | "links" | "refers";
}

/** What a model is worked out from: the schema of a point, and the texts of rows and files where those themselves say it. */
export interface ModelSource {
  readonly tables: readonly TableSchema[];
  readonly files: CrmFiles;
  /** What these columns hold as a person reads it, row by row; `undefined` for NULL and nothing. None where there is no such table. */
  rows(table: TableName, columns: readonly string[]): AsyncIterable<readonly (string | undefined)[]>;
}
