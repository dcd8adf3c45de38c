import { openFor } from "../../src/engine/access.ts";
import { openPoint } from "../../src/engine/open-point.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { handled } from "../../src/lib/handled.ts";
import type { Event } from "../../src/lib/events.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { CampaignOptions } from "./campaign.ts";
import { endingStorage } from "./ending-storage.ts";
import { following } from "./following.ts";
import { hashOfPoint } from "./live-hash.ts";
import { resticOn } from "./restic.ts";
import { seededRandom, type SeededRandom } from "./seeded-random.ts";
import type { SmallCrm } from "./small-crm.ts";

/** A state of a database right after one commit. */
export interface StateAfter {
  /** Of all rows of all tables. */
  readonly hash: string;
  /** The server's number of it; absent: it has none. */
  readonly transaction?: string;
  /** It was committed between these, RFC 3339, in the digits that the log has. */
  readonly from: string;
  readonly to: string;
}

/** The one who writes. */
export interface Writer extends AsyncDisposable {
  /** Does these statements in one transaction; whatever alters a table ends the one before. */
  commit(sql: string): Promise<StateAfter>;
}

/** A database that people and programs write to while it is followed. */
export interface FollowedWorld {
  readonly crm: SmallCrm;
  openWriter(): Promise<Writer>;
  /** What people and programs do. */
  statement(random: SeededRandom): string;
  /** Alters a table; with another number in another way. */
  alteration(number: number): string;
  /** Ends the server, or whoever writes, as a power cut would, and brings it back. */
  cutOff(): Promise<void>;
  /**
   * `told`: the log tells each commit. `looked`: there is no log; the database is looked at now and then, and what happens while nobody
   * looks is a gap.
   */
  readonly log: "told" | "looked";
  /** The smallest step of times in the log. */
  readonly stepMs: number;
}

interface Known extends StateAfter {
  /** Where there is no log: when this state had been looked at and stood still. */
  readonly settled?: string;
}

/** Times between which moments may be refused. */
interface Unreachable {
  readonly fromMs: number;
  readonly toMs: number;
}

const isSchemaGap = (event: Event): boolean =>
  event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === "schema";
const isJournal = (event: Event): boolean => event.type === "journal";
const isGap = (event: Event): boolean => event.type === "note" && event.code === "follow-gap";
const isDead = (event: Event): boolean =>
  event.type === "note" && event.code === "follow-again" && event.facts["reason"] === "killed";

/** `follow`, which is killed again and again at some operation of its storage and begun anew. */
class MortalFollowing {
  readonly #crm: SmallCrm;
  readonly #random: SeededRandom;
  #running: ReturnType<typeof following>;
  /** Where gaps begin that altered tables made, and when they were told: by one that died, and again by the one after it. */
  readonly schemaGaps: { readonly fromMs: number; readonly toldMs: number }[] = [];
  deaths = 0;

  constructor(crm: SmallCrm, random: SeededRandom) {
    this.#crm = crm;
    this.#random = random;
    this.#running = this.#begun(crm);
  }

  /** `killed`: at some operation that is still to come. */
  async begin(life: "whole" | "killed"): Promise<void> {
    await this.end();
    const kind = this.#random.pick(["dead before", "dead after"] as const);
    const at = 2 + this.#random.below(20);
    const openStorage = (location: string) => endingStorage(localStorage(location), { at, kind });
    const { engine } = this.#crm;
    this.#running = this.#begun(life === "whole" ? this.#crm : { ...this.#crm, engine: { ...engine, openStorage } });
  }

  #begun(crm: SmallCrm): ReturnType<typeof following> {
    return following(crm, {}, (event) => {
      if (event.type !== "note" || !isSchemaGap(event)) return;
      this.schemaGaps.push({ fromMs: Date.parse(String(event.facts["time"])), toldMs: Date.now() });
    });
  }

  /** Waits for an event of one that is alive; `again`: what to do when another one had to be begun. */
  async until(matches: (event: Event) => boolean, again: () => Promise<void>): Promise<Event> {
    for (;;) {
      const found = await this.#running.event((event) => isDead(event) || matches(event));
      if (matches(found)) return found;
      await this.begin("whole");
      await again();
    }
  }

  count(matches: (event: Event) => boolean): number {
    return this.#running.events.filter(matches).length;
  }

  /** What was told to be durable is, also where it is killed while it ends. */
  async end(): Promise<void> {
    await this.#running.end().catch((error: unknown) => {
      if (!isHoldfastError(error, "storage-failed")) throw error;
      this.deaths++;
    });
  }
}

/** Writes, hashes after every commit, lets everything break, and opens moments at random afterwards. */
export async function momentsRounds(
  world: FollowedWorld,
  { rounds, seed, report }: CampaignOptions,
): Promise<Readonly<Record<string, number>>> {
  const random = seededRandom(seed);
  const { crm } = world;
  const facts = {
    moments: 0,
    "by number": 0,
    "right before one": 0,
    "by time alone": 0,
    "in one second with others": 0,
    commits: 0,
    backups: 0,
    "follow ended and begun anew": 0,
    "follow killed": 0,
    "server or writer killed": 0,
    "tables altered": 0,
    "refused in a gap": 0,
  };
  const begun = new Date().toISOString();
  const states: Known[] = [];
  const gaps: Unreachable[] = [];
  const backups: { readonly begunMs: number; readonly endMs: number }[] = [];
  const followed = new MortalFollowing(crm, random);
  /** Nothing since then is known to have been seen. */
  const seenMs = (): number => Date.parse(states.findLast(({ settled }) => settled !== undefined)?.to ?? begun);
  const backUp = async (): Promise<void> => {
    const begunMs = Date.now();
    await crm.backup();
    backups.push({ begunMs, endMs: Date.now() });
    facts.backups++;
  };
  /** What nobody saw, up to a backup; where there is a log, nothing is lost. */
  const afterBreak = async (sinceMs: number): Promise<void> => {
    if (world.log === "told") {
      await followed.until(isJournal, async () => {});
      return;
    }
    await followed.until(isGap, async () => {});
    await backUp();
    gaps.push({ fromMs: sinceMs, toMs: Date.now() });
  };
  const durable = async ({ to }: StateAfter): Promise<string> => {
    // More may come of a step that is not over.
    const time = world.stepMs > 1 ? new Date(Date.parse(to) + world.stepMs - 1).toISOString() : to;
    const sinceMs = seenMs();
    const told = await followed.until(
      (event) => event.type === "journal" && (event.durableTo ?? "") >= time,
      () => afterBreak(sinceMs),
    );
    return (told.type === "journal" ? told.durableTo : undefined) ?? time;
  };
  const begin = async (life: "whole" | "killed"): Promise<void> => {
    const sinceMs = seenMs();
    await followed.begin(life);
    await afterBreak(sinceMs);
  };

  await followed.until(isGap, async () => {});
  await backUp();
  let writer = await world.openWriter();
  let altered = 0;
  const commit = async (sql: string): Promise<void> => {
    states.push(await writer.commit(sql));
    facts.commits++;
  };
  let beside: Promise<void> | undefined;
  while (states.length < 10 + rounds / 2) {
    await commit(world.statement(random));
    // The first one too: what was there before it has no name here.
    if (random.oneIn(3) || states.length === 1) await settle();
    switch (random.below(50)) {
      case 0:
        await begin("whole");
        facts["follow ended and begun anew"]++;
        break;
      case 1:
      case 2:
        await begin("killed");
        break;
      case 3:
        await beside;
        await writer[Symbol.asyncDispose]();
        await world.cutOff();
        writer = await world.openWriter();
        facts["server or writer killed"]++;
        break;
      case 4:
      case 5:
        await beside;
        // Beside what is written next.
        beside = handled(backUp());
        break;
      case 6:
        await alter();
        break;
      default:
    }
  }
  await beside;
  const last = states.at(-1);
  if (last) await durable(last);
  const { deaths } = followed;
  await followed.end();
  // Killed before a snapshot said that nothing more had been seen.
  if (world.log === "looked" && followed.deaths > deaths) gaps.push({ fromMs: seenMs(), toMs: Date.now() });
  await writer[Symbol.asyncDispose]();
  facts["follow killed"] = followed.deaths;
  report(`${states.length} commits, ${facts.backups} backups, follow killed ${followed.deaths} times`);

  await open();
  const restic = resticOn(crm.access.location, crm.access.password);
  // Who was killed may have left a lock, and to restic this process, in which that happened, is alive.
  await restic.output("unlock", "--remove-all");
  await restic.check();
  return facts;

  /** Where there is no log: what was written last is seen before something else is written. */
  async function settle(): Promise<void> {
    const state = states.at(-1);
    if (world.log === "told" || !state) return;
    states[states.length - 1] = { ...state, settled: await durable(state) };
  }

  async function alter(): Promise<void> {
    await beside;
    const before = states.at(-1);
    if (before) await durable(before);
    let count = followed.count(isSchemaGap);
    await commit(world.alteration(++altered));
    facts["tables altered"]++;
    await followed.until(
      (event) => isSchemaGap(event) && followed.count(isSchemaGap) > count,
      async () => {
        // Another one has told of none yet.
        count = 0;
      },
    );
    await backUp();
    const sinceMs = Date.parse(before?.from ?? "") - world.stepMs;
    // The log's own time of the backup may be a step behind.
    gaps.push({ fromMs: sinceMs, toMs: Date.now() + world.stepMs });
    await commit(world.statement(random));
  }

  async function open(): Promise<void> {
    // PostgreSQL's log does not tell: a gap begins where the tables were looked at last, and the next backup closes it.
    for (const { fromMs, toldMs } of followed.schemaGaps) {
      const closed = backups.find(({ begunMs }) => begunMs >= toldMs);
      gaps.push({ fromMs, toMs: (closed?.endMs ?? Infinity) + world.stepMs });
    }
    const { engine, access, run } = crm;
    await using repository = await openFor(engine, access, run);
    const snapshots = await repository.snapshots(run.signal);
    const reader = await repository.index(run.signal);
    // The very millisecond that a backup is named by means that backup, whose database was read a little later.
    const backupsMs = new Set(snapshots.map(({ snapshot }) => Date.parse(snapshot.time)));
    for (let round = 0; round < rounds; round++) {
      const asked = chosen(random.below(states.length));
      if (!asked || (asked.how === "by time alone" && backupsMs.has(asked.atMs))) continue;
      try {
        await using point = await openPoint({ engine, reader, snapshots, run }, crm.description.name, asked.point);
        const hash = await hashOfPoint(point);
        if (!asked.hashes.has(hash)) {
          throw new Error(
            `round ${round}, seed ${seed}: ${JSON.stringify(asked.about)} ${asked.how} hashes as ${hash}, which is state ${states.findIndex((one) => one.hash === hash)}`,
          );
        }
        facts.moments++;
        facts[asked.how]++;
        if (asked.isCrowded) facts["in one second with others"]++;
      } catch (error) {
        // Refused, never wrong.
        const isInGap = gaps.some(({ fromMs, toMs }) => fromMs <= asked.atMs && asked.atMs <= toMs);
        // Of a transaction that changed no row the log says nothing, and neither PostgreSQL's of one that did nothing but alter a table.
        const isUnknown = isHoldfastError(error, "moment-transaction");
        const { before, state } = asked.about;
        const isEmpty = asked.how !== "by time alone" && before?.hash === state.hash;
        const isRefused = isInGap && (isUnknown || isHoldfastError(error, "moment-unreachable"));
        if (!isRefused && !(isEmpty && isUnknown)) {
          throw new Error(`round ${round}, seed ${seed}: ${JSON.stringify(asked.about)} ${asked.how}`, {
            cause: error,
          });
        }
        facts["refused in a gap"]++;
      }
    }
  }

  function chosen(at: number) {
    const [before, state, next] = [states[at - 1], states[at], states[at + 1]];
    if (!state) return undefined;
    const { hash, transaction, from, to } = state;
    const second = Math.floor(Date.parse(to) / 1000);
    const isCrowded = [before, next].some((one) => one && Math.floor(Date.parse(one.to) / 1000) === second);
    const about = { at, before, state, next };
    const at0 = Date.parse(from);
    if (world.log === "looked") {
      const point: PointName = { kind: "moment", time: new Date(state.settled ?? to) };
      // A state that the database had since it was last seen to stand still, and not another one.
      const since = states.slice(0, at).findLastIndex(({ settled }) => settled !== undefined);
      const possible = state.settled === undefined ? states.slice(Math.max(0, since), at + 1) : [state];
      const hashes = new Set(possible.map((one) => one.hash));
      const atMs = point.time.getTime();
      return { point, hashes, atMs, how: "by time alone" as const, isCrowded, about };
    }
    // To the end of the step in which it was committed, unless something else was committed in it as well.
    const endMs = Date.parse(to) + Math.max(1, world.stepMs - 1);
    const beyondMs = Date.parse((next ?? state).from);
    const isAlone = next !== undefined && next !== states.at(-1) && from === to && endMs < beyondMs;
    const kind = random.below(3);
    if (kind === 0 && isAlone) {
      const point: PointName = { kind: "moment", time: new Date(endMs) };
      return { point, hashes: new Set([hash]), atMs: endMs, how: "by time alone" as const, isCrowded, about };
    }
    const named = {
      kind: "moment",
      time: new Date(Math.ceil(Date.parse(to))),
      transaction: transaction ?? "",
    } as const;
    if (kind === 1 && before) {
      const point: PointName = { ...named, side: "before" };
      return { point, hashes: new Set([before.hash]), atMs: at0, how: "right before one" as const, isCrowded, about };
    }
    return { point: named, hashes: new Set([hash]), atMs: at0, how: "by number" as const, isCrowded, about };
  }
}
