import type { MasterKey } from "../format/crypto.ts";
import { BlobIndex, type SharedBlobIndex } from "./blob-index.ts";
import { receivedKey } from "./message-bytes.ts";
import { PackVerifier, type PackToVerify } from "./verify-pack.ts";
import type { RoleAnswer } from "./worker.ts";

export interface VerifyWorkerSetup {
  readonly role: "verify";
  readonly key: MasterKey;
  readonly index: SharedBlobIndex;
}

/** The part of a verification that runs in a worker thread: one whole pack a request. */
export function verifyWorker(setup: VerifyWorkerSetup): (request: unknown) => RoleAnswer {
  const verifier = new PackVerifier(receivedKey(setup.key), new BlobIndex(setup.index));
  return (request) => ({ answer: verifier.verify(request as PackToVerify) });
}
