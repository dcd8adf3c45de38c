import { MessageChannel, Worker, type MessagePort, type Transferable } from "node:worker_threads";
import { HoldfastError, type ErrorCode, type Facts } from "../lib/errors.ts";

/** What a thread of a pool is told first, besides the `recycle` port that each gets. */
export type WorkerSetup = object;

export type FromWorker =
  | { readonly type: "answer"; readonly job: number; readonly answer: unknown }
  | { readonly type: "notice"; readonly notice: unknown }
  | { readonly type: "failed"; readonly code: ErrorCode; readonly facts: Facts; readonly detail: string };

export interface ToWorker {
  readonly job: number;
  readonly request: unknown;
}

export interface WorkerPoolOptions {
  readonly size: number;
  readonly setup: WorkerSetup;
  /** Something a worker tells that answers no request. */
  readonly onNotice?: (notice: unknown) => void;
  /** The pool is of no more use; all requests have failed with the same error. */
  readonly onFailure: (error: unknown) => void;
}

interface Job {
  readonly request: unknown;
  readonly transfer: readonly Transferable[];
  readonly weight: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class Member {
  readonly worker: Worker;
  /** For buffers that the thread fetches when it needs one. */
  readonly recycle: MessagePort;
  readonly jobs = new Map<number, Job>();
  load = 0;

  constructor(worker: Worker, recycle: MessagePort) {
    this.worker = worker;
    this.recycle = recycle;
  }
}

/** Threads that load their program, and wait to be told what they are for. */
const loaded: Worker[] = [];

/**
 * Starts threads before there is a pool for them: loading their program takes each a twentieth of a second, which costs nobody
 * anything while a key is worked out. The first pools that need threads take them; they do not keep the process alive.
 */
export function loadThreads(count: number): void {
  while (loaded.length < count) {
    const worker = startThread();
    worker.once("exit", () => {
      const at = loaded.indexOf(worker);
      if (at >= 0) loaded.splice(at, 1);
    });
    loaded.push(worker);
  }
}

function startThread(): Worker {
  const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
  const worker = new Worker(new URL(file, import.meta.url), {
    // Files are opened natively (`openAt`), and a thread that is ended early ends with a run that has failed.
    trackUnmanagedFds: false,
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8 },
  });
  // Before anybody has taken it, its end says enough.
  worker.on("error", () => undefined);
  worker.unref();
  return worker;
}

/** Requests given to a thread before it has answered the last: enough that it never waits for the next. */
const depth = 2;

/** Worker threads that answer requests. Threads are started when there is work for them: a small run starts one. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #members: Member[] = [];
  readonly #queue: Job[] = [];
  #lastJob = 0;
  #failure: unknown;
  #closing = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Starts the first thread before there is work for it, where it is certain that there will be. */
  warmUp(): void {
    if (this.#members.length > 0) return;
    this.#members.push(this.#start());
  }

  /** Whether a request would be begun at once. */
  get hasRoom(): boolean {
    if (this.#queue.length > 0) return false;
    return this.#members.length < this.#options.size || this.#members.some((member) => member.load < depth);
  }

  get queued(): number {
    return this.#queue.length;
  }

  /**
   * `long`: the thread gets nothing else meanwhile. Such work is begun before all that is short and waits: begun last, it
   * would keep one thread busy while the others have nothing left to do.
   */
  request<Answer>(
    request: unknown,
    transfer: readonly Transferable[] = [],
    duration: "short" | "long" = "short",
  ): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const weight = duration === "long" ? depth : 1;
      const job: Job = { request, transfer, weight, resolve: (answer) => resolve(answer as Answer), reject };
      const before = weight === depth ? this.#queue.findIndex((other) => other.weight < weight) : -1;
      this.#queue.splice(before < 0 ? this.#queue.length : before, 0, job);
      this.#dispatch();
    });
  }

  /** The same request to every thread that was started. */
  async requestAll(request: unknown): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await Promise.all(
      this.#members.map(
        (member) =>
          new Promise<void>((resolve, reject) => {
            this.#send(member, { request, transfer: [], weight: 1, resolve: () => resolve(), reject });
          }),
      ),
    );
  }

  /** Tells all threads of a buffer that one of them may have. */
  recycle(buffer: SharedArrayBuffer): void {
    for (const { recycle } of this.#members) recycle.postMessage(buffer);
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.fail(new HoldfastError("cancelled"));
    await Promise.all(
      this.#members.map(async ({ worker, recycle }) => {
        recycle.close();
        // An idle thread keeps nothing alive, nor would the wait for its end: the process could end right here.
        worker.ref();
        await worker.terminate();
      }),
    );
  }

  #dispatch(): void {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined) return;
      const member = this.#freeMember();
      if (member === undefined) return;
      this.#queue.shift();
      this.#send(member, next);
    }
  }

  #freeMember(): Member | undefined {
    let best: Member | undefined;
    for (const member of this.#members) {
      if (member.load < depth && (best === undefined || member.load < best.load)) best = member;
    }
    if (best === undefined && this.#members.length < this.#options.size) {
      best = this.#start();
      this.#members.push(best);
    }
    return best;
  }

  #send(member: Member, job: Job): void {
    const number = ++this.#lastJob;
    // Only a thread that has work keeps the process alive.
    if (member.jobs.size === 0) member.worker.ref();
    member.jobs.set(number, job);
    member.load += job.weight;
    const message: ToWorker = { job: number, request: job.request };
    member.worker.postMessage(message, job.transfer);
  }

  #start(): Member {
    const { port1, port2 } = new MessageChannel();
    const worker = loaded.shift() ?? startThread();
    worker.postMessage({ ...this.#options.setup, recycle: port2 }, [port2]);
    port1.unref();
    const member = new Member(worker, port1);
    worker.on("message", (message: FromWorker) => this.#receive(member, message));
    worker.on("error", (error) => this.fail(new HoldfastError("internal", { reason: "worker" }, error)));
    worker.on("exit", (code) => {
      if (!this.#closing) this.fail(new HoldfastError("internal", { reason: "worker ended", code }));
    });
    return member;
  }

  #receive(member: Member, message: FromWorker): void {
    // What a thread still says goes nowhere; and it must not be let go of before its end.
    if (this.#closing) return;
    if (message.type === "notice") {
      this.#options.onNotice?.(message.notice);
    } else if (message.type === "failed") {
      this.fail(new HoldfastError(message.code, message.facts, message.detail));
    } else {
      const job = member.jobs.get(message.job);
      if (job === undefined) return;
      member.jobs.delete(message.job);
      if (member.jobs.size === 0) member.worker.unref();
      member.load -= job.weight;
      // First the next work, then what the answer means.
      this.#dispatch();
      job.resolve(message.answer);
    }
  }

  /** Refuses all that is asked for and will be. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const jobs = [...this.#queue.splice(0), ...this.#members.flatMap((member) => [...member.jobs.values()])];
    for (const job of jobs) job.reject(error);
    if (!this.#closing) this.#options.onFailure(error);
  }
}
