import { lstatSync, mkdirSync, openSync, closeSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { type ByteName, nameBytes } from "../lib/byte-name.ts";
import { toDisk } from "../files/to-disk.ts";
import { exchange, renameNoReplace } from "../lib/posix.ts";

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
}

/**
 * A step that is not begun, as its target is now: what somebody has put there since it was planned is what it replaces, and what is
 * to be put back.
 */
export function asFound(step: SwapStep): SwapStep {
  const present = identity(step.target);
  const { old, ...rest } = step;
  const isBegun = old !== undefined && [step.slot, asideOf(step.slot)].some((path) => identity(path) === old);
  if (isBegun || present === old || (step.made !== undefined && present === step.made)) return step;
  return { ...rest, ...(present !== undefined && { old: present }) };
}

/** Does a step, if it is not done. */
export function stepForward(step: SwapStep): void {
  const present = identity(step.target);
  if (step.made === undefined) {
    if (present !== undefined && present === step.old) renameNoReplace(bytes(step.target), bytes(step.slot));
    return;
  }
  if (present === step.made) return;
  trade(step, present);
}

/** Takes a step back, if it was done. */
export function stepBack(step: SwapStep): void {
  const present = identity(step.target);
  if (present === step.old) return;
  const slot = identity(step.slot);
  if (step.old === undefined) {
    if (slot === undefined) renameNoReplace(bytes(step.target), bytes(step.slot));
    return;
  }
  if (slot !== step.old && identity(asideOf(step.slot)) !== step.old) return;
  trade(step, present);
}

/** Whether what a step replaced is still there to be put back: others may have removed it since. */
export function isKept(step: SwapStep): boolean {
  if (step.old === undefined) return true;
  return [step.slot, asideOf(step.slot), step.target].some((path) => identity(path) === step.old);
}

/** `device:inode`, or `undefined` when there is nothing. Never follows a link. */
export function identity(path: string): string | undefined {
  const status = lstatSync(bytes(path), { bigint: true, throwIfNoEntry: false });
  return status && `${status.dev}:${status.ino}`;
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
      if (!(error instanceof Error && "code" in error)) throw error;
      if (error.code !== "ENOENT" && error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    }
  }
}

function trade(step: SwapStep, present: string | undefined): void {
  const aside = asideOf(step.slot);
  if (present === undefined) {
    mkdirSync(bytes(dirname(step.target)), { recursive: true });
    renameNoReplace(bytes(step.slot), bytes(step.target));
  } else {
    try {
      exchange(bytes(step.target), bytes(step.slot));
      return;
    } catch (error) {
      if (!isUnsupported(error)) throw error;
    }
    // A file system without RENAME_EXCHANGE: for a moment the target is absent, never mixed.
    renameNoReplace(bytes(step.target), bytes(aside));
    renameNoReplace(bytes(step.slot), bytes(step.target));
  }
  if (identity(aside) !== undefined) renameSync(bytes(aside), bytes(step.slot));
}

function asideOf(slot: string): string {
  return `${slot}.old`;
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EINVAL" || error.code === "ENOSYS");
}

function bytes(path: string): Buffer {
  return nameBytes(path as ByteName);
}
