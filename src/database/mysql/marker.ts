import { quoteName, quoteText } from "./identifier.ts";
import type { Session } from "./session.ts";

/**
 * The table that stands in a database while another one is being renamed to it. It holds all that is needed to finish, so
 * whoever finds it can.
 */
export const markerTable = "holdfast_moving";

/** What the marker in a database says. */
export interface Marker {
  readonly source: string;
  /** Of the source, before anything was moved. */
  readonly identity: string | undefined;
  /** What is to be run in the new place once the tables are there. */
  readonly statements: readonly string[];
}

export async function readMarker(session: Session, database: string): Promise<Marker | undefined> {
  const [found] = await session.query(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=${quoteText(database)} AND TABLE_NAME='${markerTable}'`,
  );
  if (!found) return undefined;
  const rows = await session.query(`SELECT part, content FROM ${place(database)} ORDER BY id`);
  const of = (part: string): readonly string[] =>
    rows.filter(([one]) => one === part).map(([, content]) => content ?? "");
  const [source] = of("source");
  if (source === undefined) return undefined; // cut off before it was whole: nothing was moved yet
  return { source, identity: of("identity")[0], statements: of("statement") };
}

/** The database must be new. In one transaction, so that the marker is whole or not there. */
export async function writeMarker(session: Session, database: string, marker: Marker): Promise<void> {
  await session.run(
    `CREATE TABLE ${place(database)} (id INT PRIMARY KEY AUTO_INCREMENT, part VARCHAR(20) NOT NULL, content LONGTEXT NOT NULL) ` +
      "ENGINE=InnoDB CHARACTER SET utf8mb4",
  );
  const rows = [
    ["source", marker.source],
    ...(marker.identity === undefined ? [] : [["identity", marker.identity]]),
    ...marker.statements.map((statement) => ["statement", statement]),
  ];
  await session.run("START TRANSACTION");
  for (const [part = "", content = ""] of rows) {
    await session.run(`INSERT INTO ${place(database)}(part,content) VALUES(${quoteText(part)},${quoteText(content)})`);
  }
  await session.run("COMMIT");
}

export function dropMarker(session: Session, database: string): Promise<void> {
  return session.run(`DROP TABLE ${place(database)}`);
}

function place(database: string): string {
  return `${quoteName(database)}.${markerTable}`;
}
