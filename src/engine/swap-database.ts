import { createHash } from "node:crypto";
import type { DatabaseAddress, ServerHome } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { AddressOf } from "./database-address.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";

/**
 * Swapping a database that a restore has made into place on its server, and back: the same as `swap.ts` does with
 * files. What is there is told by its identity, which renames take along, so a step that was cut off between two
 * renames can be done or taken back by anybody who has the list. Nothing is copied and nothing is deleted.
 */
export interface DatabaseStep {
  /** URLs, without secrets: where it belongs, where it was made, where what it replaced is kept. */
  readonly target: string;
  readonly slot: string;
  readonly aside: string;
  /** Identity of what was made; absent: it is not made yet. */
  readonly made?: string;
  /** What was made holds this (`contentsOf`). Absent: a record of an earlier release. */
  readonly contents?: string;
  /** Identity of what was at `target`; absent: there was nothing. */
  readonly old?: string;
  /** There was an empty database, which this makes anew. */
  readonly empty?: string;
}

/** Where steps are done: the engine knows the servers, `addressOf` their passwords. */
export interface SwapPlace {
  readonly engine: Engine;
  readonly addressOf: AddressOf;
  readonly signal: AbortSignal;
}

/** For what is not to stop half-way: whoever cancels once it has begun comes too late, and it ends as it would have. */
export function toTheEnd<T extends { readonly signal: AbortSignal }>(one: T): T {
  return { ...one, signal: new AbortController().signal };
}

/**
 * Steps that are not begun, as their targets are now: what somebody has made there since they were planned is what they replace. MySQL
 * and MariaDB know a database by a table that an emptied or altered one may have been: to them it is another one then.
 */
export async function databasesAsFound(
  steps: readonly DatabaseStep[],
  place: SwapPlace,
): Promise<readonly DatabaseStep[]> {
  const found: DatabaseStep[] = [];
  for (const step of steps) {
    const { identity, settle } = stepOn(step, place);
    await settle();
    const present = (await isUntouched(step, place)) ? await identity(step.target) : step.old;
    const { old: _, ...rest } = step;
    found.push({ ...rest, ...(present !== undefined && { old: present }) });
  }
  return found;
}

/** What was made stands where it was made, and nothing was moved out of its way. */
async function isUntouched(step: DatabaseStep, place: SwapPlace): Promise<boolean> {
  const { identity } = stepOn(step, place);
  if (step.made === undefined || (await identity(step.slot)) !== step.made) return false;
  return (await identity(step.aside)) === undefined;
}

/**
 * Does a step, if it is not done, and proves that what stands at the target is what was made: somebody may have dropped
 * or changed it while the swap was cut off. Fails with `restore-lost`.
 */
export async function databaseForward(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home, identity, rename, settle } = stepOn(step, place);
  await settle();
  const present = await identity(step.target);
  if (present === undefined || present !== step.made) {
    if ((await identity(step.slot)) !== step.made) throw lostMade(step);
    if (present !== undefined) {
      if (present !== step.old) throw new HoldfastError("plan-outdated", { path: step.target });
      await rename(home, step.target, step.aside);
    }
    await rename(home, step.slot, step.target);
  }
  if (step.contents === undefined) return;
  const { engine, addressOf, signal } = place;
  if ((await contentsOf(engine, addressOf(step.target), signal)) !== step.contents) throw lostMade(step);
}

/** Digest of a database's tables, their columns, and of how much else it has: the same under any name. */
export async function contentsOf(engine: Engine, address: DatabaseAddress, signal: AbortSignal): Promise<string> {
  await using source = await databaseEngineFor(engine, address.url).connect(address, { signal });
  const { tables, before, after } = await source.inspect(signal);
  // Without schemas: MySQL's is the database itself, and has its name.
  const shapes = tables.map(({ name, columns }) => JSON.stringify([name, columns.map((column) => column.name)]));
  const all = JSON.stringify([shapes.toSorted(), before.length, after.length]);
  return createHash("sha256").update(all).digest("hex").slice(0, 32);
}

/** Takes a step back, if it was done: whatever has become of what was made is kept in its slot. */
export async function databaseBack(step: DatabaseStep, place: SwapPlace): Promise<void> {
  await takeBack(step, place);
  const { addressOf, signal } = place;
  const { home } = stepOn(step, place);
  if (step.old === undefined && step.empty !== undefined) {
    await home.makeEmpty?.(addressOf(step.target), step.empty, signal);
  }
}

async function takeBack(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home, identity, rename, settle } = stepOn(step, place);
  await settle();
  if (!(await isDatabaseKept(step, place))) throw new HoldfastError("undo-lost", { path: step.aside });
  if (await isUntouched(step, place)) return;
  const present = await identity(step.target);
  if (present === step.old) return;
  // Nothing is there between two renames, and after somebody dropped it: what was replaced can take its place.
  if (present !== undefined) {
    if ((await identity(step.slot)) !== undefined) throw new HoldfastError("plan-outdated", { path: step.target });
    await rename(home, step.target, step.slot);
  }
  if (step.old !== undefined) await rename(home, step.aside, step.target);
}

/** Whether what a step replaced is still there to be put back. */
export async function isDatabaseKept(step: DatabaseStep, place: SwapPlace): Promise<boolean> {
  if (step.old === undefined) return true;
  const { identity } = stepOn(step, place);
  const present = await identity(step.target);
  if (present === step.old || (await identity(step.aside)) === step.old) return true;
  return present !== undefined && (await isUntouched(step, place));
}

/** Removes what was made, or what was kept: never the target. */
export async function dropDatabases(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home } = stepOn(step, place);
  for (const url of [step.slot, step.aside]) await home.drop(place.addressOf(url), place.signal);
}

/** A server's home, or a refusal: the step was written by us, for a server. */
export function serverHome(engine: Engine, url: string): ServerHome {
  const { home } = databaseEngineFor(engine, url);
  if (home.kind !== "server") throw new HoldfastError("internal", { url });
  return home;
}

function stepOn(step: DatabaseStep, { engine, addressOf, signal }: SwapPlace) {
  return {
    home: serverHome(engine, step.target),
    identity: (url: string) => serverHome(engine, url).identity(addressOf(url), signal),
    /** A rename that was cut off is finished before anybody looks: what is half here and half there can be neither. */
    settle: async () => {
      for (const url of [step.target, step.slot, step.aside]) {
        await serverHome(engine, url).settle?.(addressOf(url), signal);
      }
    },
    rename: (home: ServerHome, from: string, to: string) => home.rename(addressOf(from), addressOf(to), signal),
  };
}

function lostMade({ target, slot, aside, old }: DatabaseStep): HoldfastError {
  return new HoldfastError("restore-lost", { path: target, slot, ...(old !== undefined && { kept: aside }) });
}
