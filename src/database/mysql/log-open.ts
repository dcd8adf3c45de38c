import { hash } from "node:crypto";
import { HoldfastError } from "../../lib/errors.ts";
import { type FeedOptions, placeTimeSlackMs } from "../change-feed.ts";
import type { DatabaseAddress } from "../database.ts";
import { SilenceWatch } from "../silence-watch.ts";
import { targetOf, type Target } from "./location.ts";
import { LogAgain } from "./log-again.ts";
import { MysqlFeed } from "./log-feed.ts";
import { LogNames } from "./log-names.ts";
import { historyOf, type LogPlace, placeOf, positionOf } from "./log-position.ts";
import { checkSettings, digestOf, followed, logFiles, sequencesOf } from "./log-server.ts";
import { LogStream } from "./log-stream.ts";
import { Session } from "./session.ts";

/** Our numbers are above what people give their servers, and one's own for each repository; others are for reading beside the feed. */
const numbers = { feed: 0x4000_0000, beside: 0x5000_0000 };

/** Begins to read the log where it is to go on, if that is still there, else where it is now. */
export async function openFeed(address: DatabaseAddress, options: FeedOptions): Promise<MysqlFeed> {
  const target = await targetOf(address);
  await using opening = new AsyncDisposableStack();
  const watch = opening.use(new SilenceWatch(options.signal, options.silenceMs, target.location));
  try {
    return await openedFeed(target, options, watch, opening);
  } catch (error) {
    throw watch.failure(error);
  }
}

async function openedFeed(
  target: Target,
  { from, name }: FeedOptions,
  watch: SilenceWatch,
  opening: AsyncDisposableStack,
): Promise<MysqlFeed> {
  const { signal } = watch;
  const session = opening.use(await Session.open(target, target.database, signal));
  // Whatever it answers, it is there.
  watch.heard("listening");
  const now = await checkSettings(session, target);
  const history = historyOf(now.file, now.server);
  const wanted = from?.history === history ? placeOf(from.position, history) : undefined;
  const own = Number.parseInt(hash("sha256", name).slice(0, 7), 16) & 0x0fff_ffff;
  const opened = async (place: LogPlace) => {
    const logSession = opening.use(await Session.open(target, undefined, signal));
    const stream = await LogStream.open(logSession, place, numbers.feed + own, watch);
    // Begun since we were there: a log that was made anew has files of the same names.
    const isOther =
      from && place === wanted && (stream?.fileSince ?? 0) > (Date.parse(from.time) + placeTimeSlackMs) / 1000;
    if (stream && !isOther) return { stream, place, logSession };
    await logSession[Symbol.asyncDispose]();
    return undefined;
  };
  const { tables, outside } = await followed(session);
  watch.heard("listening");
  const isListed = wanted !== undefined && (await logFiles(session)).includes(wanted.file);
  const isThere = isListed && from !== undefined && from.position <= positionOf(now);
  const isAltered = isThere && from.tables !== digestOf(tables, outside);
  let log = isThere && !isAltered ? await opened(wanted) : undefined;
  const goesOn = log !== undefined;
  log ??= await opened(now);
  if (!log) throw new HoldfastError("database-unreachable", { path: target.location, reason: "no log" });
  const { stream, place, logSession } = log;
  const otherwise = from?.history === history ? ("log-purged" as const) : ("other-server" as const);
  const names = await LogNames.of(session, target.database);
  const sequences = await sequencesOf(session);
  opening.move();
  return new MysqlFeed({
    session,
    logSession,
    stream,
    target,
    watch,
    tables,
    outside,
    history,
    place,
    again: new LogAgain(target, numbers.beside + own, watch),
    names,
    sequences,
    // Where it goes on it is as old as what was read last: a gap that is found now began then.
    start: { position: positionOf(place), time: goesOn && from ? from.time : now.time },
    startedAnew: isAltered ? "schema" : from === undefined || goesOn ? undefined : otherwise,
  });
}
