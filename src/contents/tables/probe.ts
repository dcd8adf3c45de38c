/** What rows must have to be of interest: a chunk that cannot have it need not be read. */
export interface Probe {
  /** UTF-8 as latin1, in lower case where ASCII: every one of them is in some text of the row. */
  readonly pieces: readonly string[];
  /** The row has one of these fields, byte for byte, in this column; empty: it does not matter. */
  readonly values: readonly { readonly column: number; readonly field: string }[];
}
