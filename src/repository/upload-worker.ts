import { PackSlots } from "./pack-slots.ts";
import { BlobIndex } from "./blob-index.ts";
import { nodeBuffer } from "./message-bytes.ts";
import { Packer, type PackedResult } from "./packer.ts";
import { SourceReader, type SourceResult } from "./source-reader.ts";
import { Throttle } from "./throttle.ts";
import {
  blobNumbers,
  fileNumbers,
  fileStates,
  type BlobsAnswer,
  type FilesAnswer,
  type PackNotice,
  type UploadRequest,
  type UploadWorkerSetup,
} from "./upload-messages.ts";
import { copySealed } from "./copy-sealed.ts";
import type { RoleAnswer, WorkerDoor } from "./worker.ts";

/** The part of an upload that runs in a worker thread: from paths or bytes to finished packs. */
export function uploadWorker(setup: UploadWorkerSetup, door: WorkerDoor): (request: unknown) => RoleAnswer {
  const slots = new PackSlots(setup.packSlots);
  const key = {
    encrypt: nodeBuffer(setup.key.encrypt),
    macK: nodeBuffer(setup.key.macK),
    macR: nodeBuffer(setup.key.macR),
  };
  const packer = new Packer({
    key,
    index: new BlobIndex(setup.index),
    onPack: (pack) => {
      slots.take();
      const notice: PackNotice = { type: "pack", ...pack };
      door.notify(notice, [pack.buffer]);
    },
    reuse: () => door.recycled(),
  });
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
        return filesAnswer(request.paths.map((path, index) => reader.read(sourceFile(path, request.numbers, index))));
      case "blobs":
        return blobsAnswer(storeBlobs(packer, request));
      case "sealed":
        return { answer: copySealed(packer, request.blobs) };
      case "bytes":
        return blobsAnswer(reader.chunk(request.bytes, request.stream));
      case "flush":
        packer.flush();
        return { answer: undefined };
    }
  };
}

function sourceFile(
  path: Extract<UploadRequest, { type: "files" }>["paths"][number],
  numbers: Float64Array,
  index: number,
): Parameters<SourceReader["read"]>[0] {
  const [inode = 0, deviceId = 0, size = 0] = numbers.subarray(index * 3, index * 3 + 3);
  return { path, inode, deviceId, size };
}

function storeBlobs(packer: Packer, request: Extract<UploadRequest, { type: "blobs" }>): PackedResult[] {
  let offset = 0;
  return request.kinds.map(({ type, stream, claim }, index) => {
    const bytes = request.bytes.subarray(offset, (offset += request.lengths[index] ?? 0));
    return claim === "claimed" ? packer.addClaimed(type, stream, bytes) : packer.add(type, stream, bytes);
  });
}

function filesAnswer(results: readonly SourceResult[]): RoleAnswer {
  const numbers = new Float64Array(results.length * fileNumbers);
  const ids: Buffer[] = [];
  const reasons: string[] = [];
  for (const [index, result] of results.entries()) {
    const at = index * fileNumbers;
    numbers[at] = fileStates.indexOf(result.state);
    if (result.state === "unreadable") reasons.push(result.reason);
    if (result.state !== "read") continue;
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
    numbers.set([0, result.changed ? 1 : 0, result.blobs.length, size, addedBlobs, addedBytes, storedBytes], at);
  }
  const answer: FilesAnswer = { numbers, ids: joined(ids), reasons };
  return { answer, transfer: [numbers.buffer, answer.ids.buffer as ArrayBuffer] };
}

function blobsAnswer(results: readonly PackedResult[]): RoleAnswer {
  const numbers = new Float64Array(results.length * blobNumbers);
  for (const [index, blob] of results.entries()) {
    numbers.set([blob.added ? 1 : 0, blob.size, blob.storedBytes], index * blobNumbers);
  }
  const answer: BlobsAnswer = { numbers, ids: joined(results.map((blob) => blob.id)) };
  return { answer, transfer: [numbers.buffer, answer.ids.buffer as ArrayBuffer] };
}

/** In memory of its own, which can be given to another thread: small Buffers share theirs. */
function joined(ids: readonly Buffer[]): Uint8Array {
  const all = new Uint8Array(ids.length * 32);
  for (const [index, id] of ids.entries()) all.set(id, index * 32);
  return all;
}
