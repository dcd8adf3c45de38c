import { setTimeout as wait } from "node:timers/promises";
import type { DatabaseHolder } from "../database.ts";
import { quoteText } from "./identifier.ts";
import type { Session } from "./session.ts";

/** A session that was just ended may be seen for a moment: of ours we know that it is over. */
const lingerMs = 3000;
const othersLingerMs = 1000;

/** Other sessions in this database, each given a moment to be gone: those of the same user may be our own. */
export async function othersIn(session: Session, database: string): Promise<readonly DatabaseHolder[]> {
  const since = performance.now();
  const own = session.server.user.slice(0, session.server.user.lastIndexOf("@"));
  for (;;) {
    const rows = await session.query(
      `SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE DB=${quoteText(database)} AND ID<>CONNECTION_ID()`,
    );
    const mayLinger = rows.some(([, user]) => user === own) ? lingerMs : othersLingerMs;
    if (rows.length === 0 || performance.now() - since > mayLinger) {
      return rows.map(([id, user, host]) => ({ pid: Number(id), command: `${user}@${host}` }));
    }
    await wait(100);
  }
}
