import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  type BigIntStats,
} from "node:fs";
import { basename, dirname } from "node:path";
import { type ByteName, nameBytes, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { openTarget, pathIn } from "../files/open-folder.ts";
import { toDisk } from "../files/to-disk.ts";
import { exchange, renameNoReplace } from "../lib/posix.ts";
import { hasSystemCode } from "../lib/system-code.ts";

/**
 * Swapping what a restore has made into place, and back.
 *
 * Everything new is built in *slots*: names in a staging folder on the target's own file system. A step then trades
 * the target for its slot in one `renameat2(RENAME_EXCHANGE)`: at every instant the target is the old thing or the new
 * one, and the slot keeps the other. Which of the two it is tells the inode, so a step that was cut off by a crash can
 * be done or taken back by anybody who has the list. Nothing is copied and nothing is deleted.
 */
export interface SwapStep {
  /** Byte paths (`ByteName`), as JSON keeps them. */
  readonly target: string;
  readonly slot: string;
  /** `device:inode` of what is to be put at `target`; absent: `target` is only moved away. */
  readonly made?: string;
  /** `device:inode` of what was at `target`; absent: there was nothing. */
  readonly old?: string;
  /**
   * `device:inode` of the folder that `target` is in, as it was when the step was planned: a link that somebody puts in its way since
   * is not followed. Absent: there was none, or the record is of an earlier release.
   */
  readonly parent?: string;
}

/**
 * Steps that were noted earlier, by the number that the file system of their staging folder has now: NFS, Btrfs, overlays and disks that
 * are found in another order get others when the machine is started. Inodes stay, and a step leaves no file system.
 */
export function onPresentDevices(steps: readonly SwapStep[], folders: readonly string[]): readonly SwapStep[] {
  const places = folders.flatMap((folder) => {
    const status = lstatSync(bytes(folder), { bigint: true, throwIfNoEntry: false });
    return status ? [{ inside: `${folder}/`, device: status.dev }] : [];
  });
  return steps.map((step) => {
    const device = places.find(({ inside }) => step.slot.startsWith(inside))?.device;
    if (device === undefined) return step;
    const { made, old, parent } = step;
    const [then = ""] = (made ?? old ?? "").split(":");
    // What was somewhere else stays there.
    const now = (known: string): string => known.replace(new RegExp(`^${then}:`), `${device}:`);
    return {
      ...step,
      ...(made !== undefined && { made: now(made) }),
      ...(old !== undefined && { old: now(old) }),
      ...(parent !== undefined && { parent: now(parent) }),
    };
  });
}

/**
 * Steps that are not begun, as their targets are now: what somebody has put there since they were planned is what they replace, and
 * what is to be put back. Steps are done in order, so all before one that is begun are done: what is there by then came after them.
 */
export function asFound(steps: readonly SwapStep[]): readonly SwapStep[] {
  const begun = steps.findLastIndex(isBegun);
  return steps.map((step, at) => {
    const present = identity(step.target);
    const { old, ...rest } = step;
    if (at <= begun || present === old) return step;
    return { ...rest, ...(present !== undefined && { old: present }) };
  });
}

/** What was made has left its slot, or what was there has come into it. */
function isBegun(step: SwapStep): boolean {
  return (step.made !== undefined && identity(step.slot) !== step.made) || holdsOld(step);
}

function holdsOld({ slot, old }: SwapStep): boolean {
  return old !== undefined && [slot, asideOf(slot)].some((path) => identity(path) === old);
}

/** Does a step, if it is not done. `restore-lost`: what was made is nowhere any more. `target-unsafe`: it would be done elsewhere. */
export function stepForward(step: SwapStep): void {
  inParent(step, (there) => forward(there, step.target));
}

/** Takes a step back, if it was done. */
export function stepBack(step: SwapStep): void {
  inParent(step, back);
}

/** Fails with `target-unsafe` where a step would be refused. */
export function refuseUnsafe(steps: readonly SwapStep[]): void {
  for (const step of steps) inParent(step, () => {});
}

/** With `target` by the open folder that it is in. */
function inParent(step: SwapStep, work: (step: SwapStep) => void): void {
  const { target, parent } = step;
  const descriptor = parent === undefined ? undefined : openParent(dirname(target) as ByteName, parent);
  if (descriptor === undefined) return work(step);
  try {
    work({ ...step, target: pathIn(descriptor, basename(target) as ByteName) });
  } finally {
    closeSync(descriptor);
  }
}

/** `undefined` when it is gone. Another one than it was is taken only where no link leads to it that others could have made. */
function openParent(path: ByteName, known: string): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(bytes(path), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return undefined;
    throw error;
  }
  if (identityOf(fstatSync(descriptor, { bigint: true })) === known) return descriptor;
  closeSync(descriptor);
  return openTarget(path, "leave");
}

function forward(step: SwapStep, shown: string): void {
  finishTrade(step);
  const present = identity(step.target);
  if (step.made === undefined) {
    if (present !== undefined && present === step.old) move(step.target, step.slot);
    return;
  }
  if (present === step.made) return;
  if (identity(step.slot) === step.made) return trade(step, present);
  // It was done, and the CRM has written the file anew since, as some do with their configuration.
  if (present !== undefined && present !== step.old && holdsOld(step)) return;
  const [path, slot] = [shown, step.slot].map((one) => nameText(one as ByteName));
  throw new HoldfastError("restore-lost", { path, slot, ...(holdsOld(step) && { kept: slot }) });
}

function back(step: SwapStep): void {
  finishTrade(step);
  const present = identity(step.target);
  if (present === step.old) return;
  const slot = identity(step.slot);
  if (step.old === undefined) {
    if (slot === undefined) move(step.target, step.slot);
    return;
  }
  if (slot === step.old) trade(step, present);
}

/** Whether what a step replaced is still there to be put back: others may have removed it since. */
export function isKept(step: SwapStep): boolean {
  if (step.old === undefined) return true;
  return [step.slot, asideOf(step.slot), step.target].some((path) => identity(path) === step.old);
}

/** `device:inode`, or `undefined` when there is nothing. Never follows a link. */
export function identity(path: string): string | undefined {
  const status = lstatSync(bytes(path), { bigint: true, throwIfNoEntry: false });
  return status && identityOf(status);
}

export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** Makes renames in these folders durable. */
export function syncFolders(paths: Iterable<string>): void {
  for (const path of new Set(paths)) {
    const fd = openSync(bytes(path), "r");
    try {
      toDisk(fd, path as ByteName);
    } finally {
      closeSync(fd);
    }
  }
}

export function removeTree(path: string): void {
  rmSync(bytes(path), { recursive: true, force: true });
}

/** The innermost first; one in which somebody has put something stays, with those around it. */
export function removeEmptyFolders(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      rmdirSync(bytes(path));
    } catch (error) {
      if (!hasSystemCode(error, "ENOENT", "ENOTEMPTY", "EEXIST")) throw error;
    }
  }
}

function trade(step: SwapStep, present: string | undefined): void {
  if (present === undefined) {
    mkdirSync(bytes(dirname(step.target)), { recursive: true });
    move(step.slot, step.target);
    return;
  }
  try {
    exchange(bytes(step.target), bytes(step.slot));
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    // A file system without RENAME_EXCHANGE: for a moment the target is absent, never mixed.
    move(step.target, asideOf(step.slot));
    finishTrade(step);
  }
}

/**
 * What was taken aside for a moment, on a file system without RENAME_EXCHANGE, goes to where the other one came from. What somebody has put
 * at the target for that moment, as SQLite does who finds no database, is kept beside.
 */
function finishTrade({ target, slot }: SwapStep): void {
  const aside = asideOf(slot);
  if (identity(aside) === undefined) return;
  if (identity(target) !== undefined && identity(slot) !== undefined) move(target, freeName(`${slot}.newer`));
  if (identity(target) === undefined) move(slot, target);
  move(aside, slot);
}

/** Renames to where nothing is. On a file system that cannot refuse to replace (NFS, FUSE), that is looked at right before. */
function move(from: string, to: string): void {
  try {
    renameNoReplace(bytes(from), bytes(to));
  } catch (error) {
    if (!isUnsupported(error) || identity(to) !== undefined) throw error;
    renameSync(bytes(from), bytes(to));
  }
}

function freeName(path: string): string {
  let free = path;
  for (let number = 2; identity(free) !== undefined; number++) free = `${path}-${number}`;
  return free;
}

function asideOf(slot: string): string {
  return `${slot}.old`;
}

function isUnsupported(error: unknown): boolean {
  return hasSystemCode(error, "EINVAL", "ENOSYS");
}

function bytes(path: string): Buffer {
  return nameBytes(path as ByteName);
}
