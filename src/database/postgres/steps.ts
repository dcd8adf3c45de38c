/** Something that is done to tables, by one session. */
export interface Step<Session> {
  readonly kind: "build" | "sum";
  /** Tables that nobody else may use meanwhile, and those that others may read as well. */
  readonly alone: readonly string[];
  readonly shared: readonly string[];
  /** @param beside `nobody`: it is the last of all, and the server has nothing else to do */
  run(session: Session, beside: "others" | "nobody"): Promise<void>;
}

/**
 * Steps that several sessions do side by side, each when nobody uses its tables in another way: a session that would only
 * wait for another one's lock takes a different step instead. Builds come first; a table is summed up once nobody wants it alone any more,
 * beside whoever only reads it.
 */
export class Steps<Session> {
  readonly #waiting: Step<Session>[] = [];
  readonly #running = new Set<Step<Session>>();
  #coming: "more" | "no more" | "failed" = "more";
  #failure: unknown;
  #changed = Promise.withResolvers<void>();

  add(...steps: readonly Step<Session>[]): void {
    this.#waiting.push(...steps);
    this.#tell();
  }

  /** All steps are there: who finds none waiting may go. */
  end(): void {
    if (this.#coming === "more") this.#coming = "no more";
    this.#tell();
  }

  /** Nobody takes another step. */
  fail(error: unknown): void {
    if (this.#coming !== "failed") this.#failure = error;
    this.#coming = "failed";
    this.#tell();
  }

  throwIfFailed(): void {
    if (this.#coming === "failed") throw this.#failure;
  }

  /** Does steps until there are no more. */
  async work(session: Session): Promise<void> {
    while (this.#coming !== "failed") {
      const step = this.#next();
      if (!step) {
        if (this.#coming === "no more" && this.#waiting.length === 0) return;
        await this.#changed.promise;
        continue;
      }
      this.#waiting.splice(this.#waiting.indexOf(step), 1);
      const isLast = this.#coming === "no more" && this.#waiting.length === 0 && this.#running.size === 0;
      this.#running.add(step);
      try {
        await step.run(session, isLast ? "nobody" : "others");
      } catch (error) {
        this.fail(error);
        throw error;
      } finally {
        this.#running.delete(step);
        this.#tell();
      }
    }
  }

  #next(): Step<Session> | undefined {
    const free = this.#waiting.filter((step) => this.#isFree(step));
    return free.find(({ kind }) => kind === "build") ?? free[0];
  }

  #isFree(step: Step<Session>): boolean {
    const isAgainst = (other: Step<Session>): boolean =>
      other.alone.some((table) => step.alone.includes(table) || step.shared.includes(table)) ||
      other.shared.some((table) => step.alone.includes(table));
    if ([...this.#running].some(isAgainst)) return false;
    return step.kind === "build" || !this.#waiting.some((other) => other.kind === "build" && isAgainst(other));
  }

  #tell(): void {
    const told = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    told.resolve();
  }
}
