import type { FeedOptions } from "../change-feed.ts";
import type { DatabaseAddress } from "../database.ts";
import { SilenceWatch } from "../silence-watch.ts";
import type { Environment } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { knownOf, tableDefinitions } from "./log-definitions.ts";
import { PostgresFeed } from "./log-feed.ts";
import { historyOf, placeOf } from "./log-position.ts";
import { ensurePublication, followableTables, publishTables } from "./log-publication.ts";
import { checkLogSettings, endOfLog, openSlot, writtenEndOfLog } from "./log-slot.ts";
import { LogStream } from "./log-stream.ts";
import { timelineNow } from "./snapshot.ts";

/** Begins to read the log where it is to go on, if that is still there, else where it is now. */
export async function openFeed(
  address: DatabaseAddress,
  options: FeedOptions,
  environment: Environment,
): Promise<PostgresFeed> {
  const { name, from } = options;
  const watch = new SilenceWatch(options.signal, options.silenceMs, address.url);
  const { signal } = watch;
  await using opening = new AsyncDisposableStack();
  opening.use(watch);
  try {
    const session = opening.use(await PostgresConnection.open(address, { environment, signal }));
    // Whatever it answers, it is there.
    watch.heard("listening");
    await checkLogSettings(session);
    const [system] = await session.rows(
      `SELECT s.system_identifier, ${timelineNow} FROM pg_control_system() AS s CROSS JOIN pg_control_checkpoint() AS c`,
    );
    const history = historyOf(system?.[0] ?? "", system?.[1] ?? "");
    // Before the tables: what is altered in between is seen by the next look.
    const definitions = await tableDefinitions(session);
    const tables = await followableTables(session);
    watch.heard("listening");
    const publication = await ensurePublication(session, name);
    const { added, outside } = await publishTables(session, name, tables);
    // A server that was put back to an earlier state, as a machine is to its snapshot, is another one: it would tell nothing before its
    // log has got to where the one before was.
    const end = placeOf((await endOfLog(session)).position);
    const isOther = from !== undefined && (from.history !== history || placeOf(from.position) > end);
    const same = isOther ? undefined : from?.position;
    watch.heard("paused");
    const slot = await openSlot(session, name, { from: same, isUseless: isOther || publication === "made" }, signal);
    watch.heard("listening");
    const xid = await session.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text");
    const now = await writtenEndOfLog(session);
    // Of a table that was not published nothing was told, since nobody knows when.
    const isKnown = from?.tables === knownOf(definitions, outside).digest && added.length === 0;
    const altered = same !== undefined && slot.startedAnew === undefined && !isKnown;
    const position = altered ? now.position : slot.position;
    const startedAnew = isOther ? ("other-server" as const) : altered ? ("schema" as const) : slot.startedAnew;
    const { acknowledged } = slot;
    const place = { slot: name, publication: name, position, acknowledged };
    const stream = opening.use(await LogStream.open(address, { environment, signal, watch, ...place }));
    // Where it goes on it is as old as what was read last: a gap that is found now began then.
    const goesOn = startedAnew === undefined ? from : undefined;
    opening.move();
    return new PostgresFeed({
      session,
      stream,
      options,
      watch,
      tables,
      outside,
      definitions,
      history,
      start: { position, time: goesOn?.time ?? now.time },
      acknowledged,
      startedAnew,
      nearXid: BigInt(xid ?? 0),
    });
  } catch (error) {
    throw watch.failure(error);
  }
}
