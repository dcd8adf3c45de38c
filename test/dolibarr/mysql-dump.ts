/**
 * What `mysqldump` wrote, as a script for PostgreSQL, with the types that Dolibarr's own installation takes there
 * (`convertSQLFromMysql` of its `pgsql.class.php`): `serial` keys, `double precision`, `timestamp`, and triggers that keep
 * the stamps `tms`, which MySQL keeps by `ON UPDATE`. A date of zeros becomes the first one there is.
 */
export function postgresScript(dump: string): string {
  const lines = dump.split("\n");
  const [tables, rows, after]: [string[], string[], string[]] = [[], [], [stampFunction]];
  const names = new Set([...dump.matchAll(/^CREATE TABLE `(\w+)` \($/gm)].map(([, name]) => name));
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const name = /^CREATE TABLE `(\w+)` \($/.exec(line)?.[1];
    if (name !== undefined) {
      const end = lines.findIndex((one, index) => index > at && one.startsWith(")"));
      const made = tableOf(
        name,
        lines
          .slice(at + 1, end)
          .map((one) => one.trim().replace(/,$/, ""))
          // MySQL loads a key to a table that is not there.
          .filter((one) => names.has(/ REFERENCES `(\w+)`/.exec(one)?.[1] ?? name)),
      );
      tables.push(made.table);
      after.push(...made.after);
      at = end;
    }
    const inserted = /^INSERT INTO `(\w+)` VALUES (.*)$/s.exec(line);
    if (inserted)
      rows.push(`INSERT INTO "${inserted[1]}" VALUES ${(inserted[2] ?? "").replaceAll(literal, postgresLiteral)}`);
  }
  return [
    "SET client_min_messages = error; SET standard_conforming_strings = on; BEGIN;",
    ...[...tables, ...rows, ...after],
    "COMMIT;",
  ].join("\n");
}

const stampFunction = `CREATE FUNCTION update_modified_column_tms() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.tms = now(); RETURN NEW; END; $$;`;

/** Texts, with what `mysqldump` escapes in them. */
const literal = /'(?:[^'\\]|\\.|'')*'/gs;

function postgresLiteral(text: string): string {
  return text.startsWith("'0000-00-00") ? text.replace("0000-00-00", "1970-01-01") : `E${text}`;
}

function tableOf(
  name: string,
  parts: readonly string[],
): { readonly table: string; readonly after: readonly string[] } {
  const columns: string[] = [];
  const after: string[] = [];
  const on = (rest: string): string => rest.replaceAll("`", '"');
  for (const part of parts) {
    const column = /^`(\w+)` (\w+)(?:\([^)]*\))?(.*)$/.exec(part);
    if (column) {
      const [, field = "", type = "", rest = ""] = column;
      columns.push(`"${field}" ${columnType(part, type, rest)}${constraintOf(rest)}`);
      if (rest.includes("AUTO_INCREMENT")) {
        after.push(
          `SELECT setval(pg_get_serial_sequence('${name}','${field}'), (SELECT coalesce(max("${field}"),0)+1 FROM "${name}"), false);`,
        );
      }
      if (rest.includes("ON UPDATE") && field === "tms") {
        after.push(
          `CREATE TRIGGER update_customer_modtime BEFORE UPDATE ON "${name}" FOR EACH ROW EXECUTE PROCEDURE update_modified_column_tms();`,
        );
      }
    } else if (part.startsWith("PRIMARY KEY")) columns.push(on(part));
    else if (part.startsWith("UNIQUE KEY")) columns.push(on(part).replace(/^UNIQUE KEY "\w+"/, "UNIQUE"));
    else if (part.startsWith("KEY")) after.push(`CREATE INDEX ON "${name}" ${on(part).replace(/^KEY "\w+"/, "")};`);
    else if (part.startsWith("CONSTRAINT")) after.push(...foreignKey(name, on(part)));
    else throw new Error(`neither a column nor a key: ${part}`);
  }
  return { table: `CREATE TABLE "${name}" (${columns.join(", ")});`, after };
}

/** The demo data has rows that name nothing, which PostgreSQL never lets in. */
function foreignKey(name: string, definition: string): readonly string[] {
  const [, column = "", parent = "", key = ""] =
    /FOREIGN KEY \("(\w+)"\) REFERENCES "(\w+)" \("(\w+)"\)/.exec(definition) ?? [];
  return [
    `DELETE FROM "${name}" WHERE "${column}" NOT IN (SELECT "${key}" FROM "${parent}");`,
    `ALTER TABLE "${name}" ADD ${definition};`,
  ];
}

const types: Readonly<Record<string, string>> = {
  ...{ int: "integer", tinyint: "smallint", smallint: "smallint", bigint: "bigint" },
  ...{ double: "double precision", float: "real", datetime: "timestamp", timestamp: "timestamp", date: "date" },
  ...{ text: "text", tinytext: "text", mediumtext: "text", longtext: "text" },
};

function columnType(part: string, type: string, rest: string): string {
  if (rest.includes("AUTO_INCREMENT")) return "serial";
  if (type === "varchar" || type === "char") return /`\w+` (\w+\(\d+\))/.exec(part)?.[1] ?? type;
  if (type === "int" && rest.startsWith(" unsigned")) return "bigint";
  const known = types[type];
  if (known === undefined) throw new Error(`a type without a counterpart: ${part}`);
  return known;
}

function constraintOf(rest: string): string {
  const given = /DEFAULT ('(?:[^'\\]|\\.|'')*'|CURRENT_TIMESTAMP|NULL)/.exec(rest)?.[1];
  return `${rest.includes("NOT NULL") ? " NOT NULL" : ""}${given === undefined ? "" : ` DEFAULT ${given.replace("0000-00-00", "1970-01-01")}`}`;
}
