import type { LogPoint } from "../../database/change-feed.ts";
import type { Snapshot } from "../../format/snapshot.ts";
import type { Id } from "../../format/tree.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { virtualFolder } from "../tables/virtual-nodes.ts";
import type { StoredSnapshot, Upload } from "../../repository/repository.ts";
import {
  type FilesSpan,
  filesWithoutBefore,
  type JournalDatabase,
  type JournalFiles,
  lookedTo,
  reachedTo,
  serialiseJournalFile,
  withoutBefore,
  withSegment,
} from "./journal-file.ts";
import { extendJournalTree, firstDayFor, type StoredLook, type StoredSegment } from "./journal-tree.ts";
import type { LooseSegments } from "./loose-segments.ts";
import { type Journal, journalSuffix, type KnownJournal } from "./open-journal.ts";
import { type BuiltSegment, segmentLength } from "./segment.ts";
import { freePlace } from "./signpost.ts";

/** A segment that is ready to be stored. */
export interface SealedSegment extends BuiltSegment {
  readonly id: Id;
}

/** What is said of the snapshot that names it all. */
export interface PublishFacts {
  readonly about: Pick<Snapshot, "hostname" | "username" | "uid" | "gid">;
  readonly time: string;
  /** When the oldest backup was made that is kept. */
  readonly oldest: string;
  /** Looks at files that no snapshot names yet, and what is known with them. */
  readonly looks: readonly StoredLook[];
  readonly looked: readonly FilesSpan[];
}

/**
 * Keeps a CRM's journal: stores segments, each in a pack of its own and durable at once, and now and then names them in a
 * snapshot. It knows what is stored and what is named; locks and time are the caller's.
 */
export class JournalWriter {
  readonly #crm: string;
  readonly #program: string;
  #databases: Map<string, JournalDatabase>;
  #files: JournalFiles | undefined;
  #unnamed = new Map<string, StoredSegment[]>();
  /** Of the newest snapshot. */
  #tree: Id | undefined;

  constructor(crm: string, program: string, known: KnownJournal | undefined) {
    this.#crm = crm;
    this.#program = program;
    this.#databases = new Map(known?.databases.map((one) => [one.name, one]));
    this.#files = known?.files;
    this.#tree = known?.tree;
  }

  database(name: string): JournalDatabase {
    return this.#databases.get(name) ?? { name, spans: [], outside: [] };
  }

  /** Takes up segments that a run stored that was cut off. */
  recover({ segments, packs, databases }: LooseSegments, upload: Upload): void {
    upload.adopt(packs);
    for (const { id, bytes, header } of segments) {
      this.#note(header.database, { blobs: [id, ...(header.rest ?? [])], number: header.number, bytes });
    }
    for (const one of databases) this.#databases.set(one.name, one);
  }

  /** How far everything is by now, named or not; the tree is the newest snapshot's. */
  get known(): Pick<Journal, "databases" | "files" | "tree"> {
    const files = this.#files ?? { spans: [] };
    return { databases: [...this.#databases.values()], files, ...(this.#tree !== undefined && { tree: this.#tree }) };
  }

  get hasUnnamed(): boolean {
    return this.#unnamed.size > 0;
  }

  /**
   * Durable when it returns; `follow-other`: somebody else has gone on with the journal. The upload has one thread, so that what
   * is given together shares a pack.
   */
  async store(segments: readonly SealedSegment[], upload: Upload): Promise<void> {
    this.#checkOrder(segments);
    // Copies: the upload takes the memory over, and a try that failed must not lose what is to be tried again.
    const save = (bytes: Uint8Array): Promise<unknown> => upload.blob("data", Uint8Array.from(bytes), "hot");
    for (const together of inPacks(segments)) {
      // First what the header of a long one names: it is there then, or it is none.
      for (const { rest } of together) await storeAll(upload, rest.map(save));
      const place = ({ header }: SealedSegment): Uint8Array => freePlace(upload, this.#crm, header.previous);
      await storeAll(
        upload,
        together.flatMap((segment) => [save(place(segment)), save(segment.bytes)]),
      );
    }
    for (const segment of segments) {
      const { id, header } = segment;
      const blobs = [id, ...(header.rest ?? [])];
      this.#note(header.database, { blobs, number: header.number, bytes: segmentLength(segment) });
      this.#databases.set(header.database, withSegment(this.database(header.database), header, id));
    }
  }

  /**
   * Behind the segment `head` nothing more happened up to here; becomes known with the next snapshot. Behind another one it says nothing:
   * somebody else has gone on with the journal, or what was stored is there no more.
   */
  reached(database: string, point: LogPoint, head: Id | undefined): void {
    const known = this.database(database);
    if (known.head?.id === head) this.#databases.set(database, reachedTo(known, point));
  }

  /** The files were looked at; becomes known with the next snapshot. */
  looked(span: FilesSpan): void {
    this.#files = lookedTo(this.#files ?? { spans: [] }, span);
  }

  /** Names all that is stored in a snapshot. */
  async publish(upload: Upload, facts: PublishFacts, signal: AbortSignal): Promise<StoredSnapshot> {
    const { about, time, oldest, looks, looked } = facts;
    const firstDay = firstDayFor(oldest);
    const databases = [...this.#databases.values()].map((one) => withoutBefore(one, firstDay));
    this.#databases = new Map(databases.map((one) => [one.name, one]));
    this.#files &&= filesWithoutBefore(this.#files, firstDay);
    const files = looked.reduce<JournalFiles | undefined>(
      (all = { spans: [] }, span) => lookedTo(all, span),
      this.#files,
    );
    const file = { format: 1, crm: this.#crm, databases, ...(files && { files }), program: this.#program } as const;
    const json = serialiseJournalFile(file);
    const segments = [...this.#unnamed].map(([database, stored]) => ({ database, segments: stored }));
    const tree = await extendJournalTree(
      upload,
      this.#tree,
      { segments, looks },
      Buffer.from(json),
      time,
      firstDay,
      signal,
    );
    const name = `${this.#crm}${journalSuffix}`;
    const root = await upload.tree({ nodes: [virtualFolder(name, tree, time)] });
    const stored = await upload.finish({
      time,
      tree: root,
      paths: [`/${name}`],
      ...about,
      tags: ["holdfast-journal"],
      programVersion: this.#program,
    });
    // Not before: of a look that no snapshot names nobody may say that it was.
    for (const span of looked) this.looked(span);
    this.#tree = tree;
    this.#unnamed = new Map();
    return stored;
  }

  /** One that does not follow what is there would make all that comes behind it unreadable. */
  #checkOrder(segments: readonly SealedSegment[]): void {
    const heads = new Map<string, Id | undefined>();
    for (const { id, header } of segments) {
      const { database, previous } = header;
      const head = heads.has(database) ? heads.get(database) : this.database(database).head?.id;
      if (previous !== head) throw new HoldfastError("follow-other", { crm: this.#crm });
      heads.set(database, id);
    }
  }

  #note(database: string, segment: StoredSegment): void {
    const unnamed = this.#unnamed.get(database) ?? [];
    unnamed.push(segment);
    this.#unnamed.set(database, unnamed);
  }
}

async function storeAll(upload: Upload, saving: readonly Promise<unknown>[]): Promise<void> {
  if (saving.length === 0) return;
  await upload.store();
  await Promise.all(saving);
}

/** So much goes into one pack together with its places: no pack is full before. */
const mostTogether = { bytes: 4 << 20, segments: 16 };

function inPacks(segments: readonly SealedSegment[]): readonly (readonly SealedSegment[])[] {
  const packs: SealedSegment[][] = [];
  let room = 0;
  for (const segment of segments) {
    const last = packs.at(-1);
    if (last && room > 0 && last.length < mostTogether.segments) last.push(segment);
    else {
      packs.push([segment]);
      room = mostTogether.bytes;
    }
    room -= segment.bytes.length;
  }
  return packs;
}
