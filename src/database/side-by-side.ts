/** For workers that find no more items while others are still at theirs. */
export interface AfterItems<Worker> {
  work(worker: Worker): Promise<void>;
  /** Somebody failed: whoever waits for him in `work` must give up. */
  stop(error: unknown): void;
}

/**
 * Does work on items with several workers at once. One at a time asks for the next item, so that their order and what is
 * told of the progress stay plain. After a failure nobody takes another one; it is thrown when all have stopped.
 */
export async function sideBySide<Worker, Item>(
  workers: readonly Worker[],
  items: AsyncIterable<Item> | Iterable<Item>,
  work: (worker: Worker, item: Item) => Promise<void>,
  after?: AfterItems<Worker>,
): Promise<void> {
  const queue = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failed = false;
  let asking: Promise<unknown> = Promise.resolve();
  const next = (): Promise<IteratorResult<Item, unknown>> => {
    const answer = asking.then(() => (failed ? { done: true as const, value: undefined } : queue.next()));
    asking = answer.catch(() => {});
    return answer;
  };
  const results = await Promise.allSettled(
    workers.map(async (worker) => {
      try {
        for (let one = await next(); one.done !== true; one = await next()) await work(worker, one.value);
        if (!failed) await after?.work(worker);
      } catch (error) {
        failed = true;
        after?.stop(error);
        throw error;
      }
    }),
  );
  const failure = results.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
}
