import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { giveWayMs } from "../repository/lock.ts";
import type { Lock, Repository } from "../repository/repository.ts";

/**
 * The shared lock of somebody who takes it again and again, for ever: `follow`. He gives way to whoever waits to be alone, for `giveWayMs`;
 * then it is his turn once, whoever waits.
 */
export class LockInTurn {
  #until: number | undefined;

  /** Fails with `repository-locked` as long as others go first. `now`: another lock of ours is held until this one was. */
  async take(repository: Repository, { signal, now }: Run, turn: "now" | "in turn"): Promise<Lock> {
    const isOurs = turn === "now" || performance.now() > (this.#until ?? Infinity);
    try {
      const lock = await repository.lock("shared", { signal, now, waitMs: 0, givesWay: !isOurs });
      this.#until = undefined;
      return lock;
    } catch (error) {
      if (isHoldfastError(error, "repository-locked")) this.#until ??= performance.now() + giveWayMs;
      throw error;
    }
  }
}
