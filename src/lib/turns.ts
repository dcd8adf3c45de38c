/** Runs work when it is its turn: so many at once, in the order in which they came. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

export function createTurns(atOnce: number): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= atOnce) await new Promise<void>((go) => waiting.push(go));
    else running++;
    try {
      return await work();
    } finally {
      // Whoever waits takes our place.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
