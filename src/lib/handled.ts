/**
 * For promises that are gathered before anybody looks at the first: the failure of one that nobody waits for yet must not
 * end the process.
 */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** A failure that waits for somebody to look at it. */
export function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}

function ignore(): void {}
