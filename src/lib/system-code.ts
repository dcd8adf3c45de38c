/** What the system or a library calls an error, as `ENOENT`; `undefined`: it has no such name. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

export function hasSystemCode(error: unknown, ...wanted: readonly string[]): boolean {
  const code = systemCode(error);
  return code !== undefined && wanted.includes(code);
}
