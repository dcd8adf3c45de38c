/** Why something cannot be made here, for the title of a test that is left out; `undefined`: it can. */
export async function lackOf(what: string, make: () => Promise<AsyncDisposable>): Promise<string | undefined> {
  try {
    await using _made = await make();
    return undefined;
  } catch (error) {
    return `${what} here (${error instanceof Error ? error.message.trim() : String(error)})`;
  }
}
