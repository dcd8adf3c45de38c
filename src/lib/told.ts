/**
 * What a function tells, as something to iterate: `tell` resolves when the value was taken. Whoever stops iterating ends
 * the function: `tell` then rejects.
 */
export async function* told<T>(run: (tell: (value: T) => Promise<void>) => Promise<void>): AsyncGenerator<T, void> {
  let offer = Promise.withResolvers<{ readonly value: T } | undefined>();
  let taken = Promise.withResolvers<void>();
  taken.promise.catch(() => {});
  const running = (async () => {
    await taken.promise;
    await run((value) => {
      const current = offer;
      taken = Promise.withResolvers<void>();
      taken.promise.catch(() => {});
      current.resolve({ value });
      return taken.promise;
    });
  })();
  const ended = running.then(
    () => offer.resolve(undefined),
    (error: unknown) => offer.reject(error),
  );
  let finished = false;
  try {
    taken.resolve();
    for (;;) {
      const next = await offer.promise;
      if (next === undefined) {
        finished = true;
        return;
      }
      offer = Promise.withResolvers();
      offer.promise.catch(() => {});
      yield next.value;
      taken.resolve();
    }
  } finally {
    if (!finished) taken.reject(new Error("nobody listens any more"));
    await ended;
  }
}
