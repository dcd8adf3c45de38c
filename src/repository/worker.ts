/**
 * The program of a worker thread: takes requests, answers them in order, and tells of what happens in between. The first
 * message says what it works on.
 */
import { parentPort, receiveMessageOnPort, type MessagePort, type Transferable } from "node:worker_threads";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { uploadWorker } from "./upload-worker.ts";
import type { WriteWorkerSetup } from "./write-messages.ts";
import { writeWorker } from "./write-worker.ts";
import type { UploadWorkerSetup } from "./upload-messages.ts";
import { verifyWorker, type VerifyWorkerSetup } from "./verify-worker.ts";
import { repackWorker, type RepackWorkerSetup } from "./repack-worker.ts";
import { treeWorker, type TreeWorkerSetup } from "./tree-worker.ts";
import type { FromWorker, ToWorker } from "./worker-pool.ts";

/** What a role is given to speak with. */
export interface WorkerDoor {
  notify(notice: object): void;
  /** Shared memory that the other side gave back, if any. */
  recycled(): SharedArrayBuffer | undefined;
}

export interface RoleAnswer {
  readonly answer: unknown;
  readonly transfer?: readonly Transferable[];
}

const port = parentPort;
if (port === null) throw new HoldfastError("internal", { reason: "worker.ts is the program of worker threads" });

type Setup = (UploadWorkerSetup | VerifyWorkerSetup | WriteWorkerSetup | TreeWorkerSetup | RepackWorkerSetup) & {
  readonly recycle: MessagePort;
};

/** A role that answers with promises may be given its next request before it has answered the last. */
type Answerer = (request: unknown) => RoleAnswer | Promise<RoleAnswer>;

let answer: Answerer | undefined;
let failed = false;

port.on("message", (message: Setup | ToWorker) => {
  if ("role" in message) answer = answerer(message);
  else if (answer) void handle(message, answer);
});

async function handle({ job, request }: ToWorker, answers: Answerer): Promise<void> {
  if (failed) return;
  try {
    const result = await answers(request);
    post({ type: "answer", job, answer: result.answer }, result.transfer ?? []);
  } catch (error) {
    failed = true;
    const code = isHoldfastError(error) ? error.code : "internal";
    const facts = isHoldfastError(error) ? error.facts : { reason: "worker" };
    post({ type: "failed", code, facts, detail: error instanceof Error ? (error.stack ?? "") : String(error) }, []);
  }
}

function answerer(setup: Setup): Answerer {
  const door: WorkerDoor = {
    notify: (notice) => post({ type: "notice", notice }, []),
    recycled: () => {
      const received: { readonly message: SharedArrayBuffer } | undefined = receiveMessageOnPort(setup.recycle);
      return received?.message;
    },
  };
  switch (setup.role) {
    case "upload":
      return uploadWorker(setup, door);
    case "verify":
      return verifyWorker(setup);
    case "write":
      return writeWorker(setup);
    case "repack":
      return repackWorker(setup, door);
    case "trees":
      return treeWorker(setup);
  }
}

function post(message: FromWorker, transfer: readonly Transferable[]): void {
  port?.postMessage(message, [...transfer]);
}
