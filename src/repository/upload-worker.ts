import { takePackBuffer } from "./pack-buffers.ts";
import { PackSlots } from "./pack-slots.ts";
import { BlobIndex } from "./blob-index.ts";
import { receivedKey } from "./message-bytes.ts";
import { Packer, type PackedResult } from "./packer.ts";
import { SourceReader, type SourceFile, type SourceResult } from "./source-reader.ts";
import { Throttle } from "./throttle.ts";
import { signatureBytes, signRows } from "../lib/row-signature.ts";
import type { NativeAttribute } from "../lib/posix.ts";
import {
  blobNumbers,
  fileNumbers,
  fileStates,
  type BlobsAnswer,
  type FilesAnswer,
  type OpenedAnswer,
  type PackNotice,
  type UploadRequest,
  type UploadWorkerSetup,
} from "./upload-messages.ts";
import { SealedCopier } from "./copy-sealed.ts";
import { SealedReader } from "./open-sealed.ts";
import type { RoleAnswer, WorkerDoor } from "./worker.ts";

/** The part of an upload that runs in a worker thread: from paths or bytes to finished packs. */
export function uploadWorker(setup: UploadWorkerSetup, door: WorkerDoor): (request: unknown) => RoleAnswer {
  const slots = new PackSlots(setup.packSlots);
  const packer = new Packer({
    key: receivedKey(setup.key),
    index: new BlobIndex(setup.index),
    onPack: (pack) => {
      slots.take();
      const notice: PackNotice = { type: "pack", ...pack };
      door.notify(notice);
    },
    reuse: () => takePackBuffer(() => door.recycled()),
  });
  let copier: SealedCopier | undefined;
  let opener: SealedReader | undefined;
  const reader = new SourceReader({
    packer,
    gearTable: setup.gearTable,
    throttle: new Throttle(setup.throttle, setup.readBytesPerSecond),
    checkpoint: () => slots.throwIfStopped(),
  });

  return (message) => {
    const request = message as UploadRequest;
    slots.throwIfStopped();
    switch (request.type) {
      case "files":
        return filesAnswer(reader.readAll(sourceFiles(request)));
      case "blobs":
        return storeBlobs(packer, request);
      case "sealed":
        return { answer: (copier ??= new SealedCopier(packer)).copy(request.blobs) };
      case "frame":
        return blobsAnswer([packer.addFrame(Buffer.from(request.id, "hex"), request.frame, request.plainLength)]);
      case "bytes":
        return blobsAnswer(reader.chunk(request.bytes, request.stream));
      case "open":
        return openedAnswer((opener ??= new SealedReader(receivedKey(setup.key))).open(request.sealed));
      case "flush":
        packer.flush();
        return { answer: undefined };
    }
  };
}

function sourceFiles({ paths, numbers }: Extract<UploadRequest, { type: "files" }>): SourceFile[] {
  return paths.map((path, index) => ({
    path,
    inode: numbers[index * 3] ?? 0,
    deviceId: numbers[index * 3 + 1] ?? 0,
    size: numbers[index * 3 + 2] ?? 0,
  }));
}

/** Each blob is signed right after it was stored, as long as it is in the processor's cache. */
function storeBlobs(packer: Packer, request: Extract<UploadRequest, { type: "blobs" }>): RoleAnswer {
  let offset = 0;
  const signatures: Uint8Array[] = [];
  const results = request.kinds.map(({ type, stream, claim, signs }, index) => {
    const bytes = request.bytes.subarray(offset, (offset += request.lengths[index] ?? 0));
    const result =
      claim === "claimed"
        ? packer.addClaimed(type, stream, bytes)
        : packer.add(type, stream, bytes, signs ? "text" : "unknown");
    if (signs) signatures.push(signRows(bytes, signs));
    return result;
  });
  return blobsAnswer(results, signatures);
}

function filesAnswer(results: readonly SourceResult[]): RoleAnswer {
  const numbers = new Float64Array(results.length * fileNumbers);
  const ids: Buffer[] = [];
  const reasons: string[] = [];
  const attributes: { file: number; list: readonly NativeAttribute[] }[] = [];
  for (const [file, result] of results.entries()) {
    const at = file * fileNumbers;
    numbers[at] = fileStates.indexOf(result.state);
    if (result.state === "unreadable") reasons.push(result.reason);
    if (result.state !== "read") continue;
    if (result.extendedAttributes.length > 0) attributes.push({ file, list: result.extendedAttributes });
    let size = 0;
    let addedBlobs = 0;
    let addedBytes = 0;
    let storedBytes = 0;
    for (const blob of result.blobs) {
      ids.push(blob.id);
      size += blob.size;
      if (!blob.added) continue;
      addedBlobs++;
      addedBytes += blob.size;
      storedBytes += blob.storedBytes;
    }
    numbers[at + 1] = result.changed ? 1 : 0;
    numbers[at + 2] = result.blobs.length;
    numbers[at + 3] = size;
    numbers[at + 4] = addedBlobs;
    numbers[at + 5] = addedBytes;
    numbers[at + 6] = storedBytes;
  }
  const answer: FilesAnswer = { numbers, ids: joined(ids), reasons, attributes };
  return { answer, transfer: [numbers.buffer, answer.ids.buffer as ArrayBuffer] };
}

function blobsAnswer(results: readonly PackedResult[], signed: readonly Uint8Array[] = []): RoleAnswer {
  const numbers = new Float64Array(results.length * blobNumbers);
  for (const [index, blob] of results.entries()) {
    numbers.set([blob.added ? 1 : 0, blob.size, blob.storedBytes], index * blobNumbers);
  }
  const signatures = new Uint8Array(signed.length * signatureBytes);
  for (const [index, signature] of signed.entries()) signatures.set(signature, index * signatureBytes);
  const answer: BlobsAnswer = { numbers, ids: joined(results.map((blob) => blob.id)), signatures };
  return { answer, transfer: [numbers.buffer, answer.ids.buffer as ArrayBuffer, signatures.buffer] };
}

function openedAnswer(answer: OpenedAnswer): RoleAnswer {
  const blobs = answer.blobs.flatMap((blob) => blob?.buffer ?? []);
  return { answer, transfer: [...blobs, answer.bytes.buffer] };
}

/** In memory of its own, which can be given to another thread: small Buffers share theirs. */
function joined(ids: readonly Buffer[]): Uint8Array {
  const all = new Uint8Array(ids.length * 32);
  for (const [index, id] of ids.entries()) all.set(id, index * 32);
  return all;
}
