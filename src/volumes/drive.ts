/**
 * Tapes and archive volumes: repository files carried away on media that are written from their beginning to their end.
 *
 * A set of volumes is a tar of the repository's own files. `write-volume.ts` writes one volume, and says where in the
 * set the next begins; `read-volume.ts` reads one; `volume-access.ts` finds single files on them by their catalogues.
 * All of them know a medium by this interface only: folders (`folder-drive.ts`), tapes (`tape-drive.ts`).
 */
export interface Drive extends AsyncDisposable {
  /** For messages. */
  readonly name: string;
  /** What is written and read at once: a multiple of 512. */
  readonly blockBytes: number;
  /** The volumes that it can put in by itself, as far as it knows; a tape without a changer knows the one that is in. */
  inventory(signal: AbortSignal): Promise<readonly VolumeName[]>;
  /**
   * Puts the volume in, or an empty medium for it, and goes to its beginning. False: it is not there, and somebody has
   * to change the medium. `write again`: not an empty one, but that which holds this volume, and does not count.
   */
  load(volume: VolumeName, purpose: "write" | "write again" | "read", signal: AbortSignal): Promise<boolean>;
  /** Writes one block. `near`: it is written, and the medium's end is near. `end`: nothing of it was written. */
  write(block: Uint8Array, signal: AbortSignal): Promise<"written" | "near" | "end">;
  /** Ends what is being written, durable when it resolves. */
  mark(signal: AbortSignal): Promise<void>;
  /** The next block, or where it ends: at a mark or at the end of what was written. */
  read(signal: AbortSignal): Promise<Buffer | "end">;
  /** To that block, from 0. */
  seek(block: number, signal: AbortSignal): Promise<void>;
  /** What was written has been read back and is right: from now on it counts as a volume. */
  accept(signal: AbortSignal): Promise<void>;
}

export interface VolumeName {
  /** Of the set: letters, digits, `.`, `_` and `-`. */
  readonly set: string;
  /** From 1. */
  readonly number: number;
}

export const setPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/;

/** `acme-full-0001` */
export function volumeText({ set, number }: VolumeName): string {
  return `${set}-${String(number).padStart(4, "0")}`;
}

export function parseVolumeText(text: string): VolumeName | undefined {
  const [, set = "", number = ""] = /^(.+)-(\d{4,6})$/.exec(text) ?? [];
  return setPattern.test(set) && Number(number) > 0 ? { set, number: Number(number) } : undefined;
}
