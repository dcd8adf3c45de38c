/** Something that is done to tables, by one session. */
export interface Step<Session> {
  /** What it is for: a session may be one that does only steps of some kinds. */
  readonly kind: "build" | "sum";
  /** Tables that nobody else may use meanwhile, and those that others may read as well. */
  readonly alone: readonly string[];
  readonly shared: readonly string[];
  run(session: Session): Promise<void>;
}

/**
 * Steps that several sessions do side by side, each when nobody uses its tables in another way: a session that would only
 * wait for another one's lock takes a different step instead. While more tables come, sums fill what is idle; when all are
 * there, a table is summed up once nobody wants it alone any more, beside whoever only reads it.
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

  /** All steps are there: who finds none of its kinds waiting may go. */
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

  /** Does steps of these kinds, those of the first kind first, until there are no more. */
  async work(session: Session, kinds: readonly Step<Session>["kind"][]): Promise<void> {
    while (this.#coming !== "failed") {
      const step = this.#next(kinds);
      if (!step) {
        if (this.#coming === "no more" && !this.#waiting.some(({ kind }) => kinds.includes(kind))) return;
        await this.#changed.promise;
        continue;
      }
      this.#waiting.splice(this.#waiting.indexOf(step), 1);
      this.#running.add(step);
      try {
        await step.run(session);
      } catch (error) {
        this.fail(error);
        throw error;
      } finally {
        this.#running.delete(step);
        this.#tell();
      }
    }
  }

  #next(kinds: readonly Step<Session>["kind"][]): Step<Session> | undefined {
    for (const kind of kinds) {
      const found = this.#waiting.find((step) => step.kind === kind && this.#isFree(step));
      if (found) return found;
    }
    return undefined;
  }

  #isFree(step: Step<Session>): boolean {
    const isAgainst = (other: Step<Session>): boolean =>
      other.alone.some((table) => step.alone.includes(table) || step.shared.includes(table)) ||
      other.shared.some((table) => step.alone.includes(table));
    if ([...this.#running].some(isAgainst)) return false;
    if (step.kind === "build" || this.#coming === "more") return true;
    return !this.#waiting.some((other) => other.kind === "build" && isAgainst(other));
  }

  #tell(): void {
    const told = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    told.resolve();
  }
}
