import { setTimeout as wait } from "node:timers/promises";
import type { DatabaseHolder } from "../database.ts";
import { quoteText } from "./identifier.ts";
import type { Session } from "./session.ts";

/** A session of ours that was just ended may be seen for a moment. */
const lingerMs = 3000;

/** Other sessions in this database. Those of the same user are given a moment to be gone: they may be our own. */
export async function othersIn(session: Session, database: string): Promise<readonly DatabaseHolder[]> {
  const until = performance.now() + lingerMs;
  const own = session.server.user.slice(0, session.server.user.lastIndexOf("@"));
  for (;;) {
    const rows = await session.query(
      `SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE DB=${quoteText(database)} AND ID<>CONNECTION_ID()`,
    );
    if (rows.every(([, user]) => user !== own) || performance.now() > until) {
      return rows.map(([id, user, host]) => ({ pid: Number(id), command: `${user}@${host}` }));
    }
    await wait(100);
  }
}
