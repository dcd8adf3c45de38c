/** How hard a run may work. Kept in `holdfast.yaml` under `limits:`; the defaults stand in `config/`. */
export interface Limits {
  /** Bytes a second that may be read from the source; absent: no limit. */
  readonly readBytesPerSecond?: number;
  /** Rows a second that may be read from a database, or written to one in a restore; absent: no limit. */
  readonly rowsPerSecond?: number;
  /** Sessions of a database's server that read rows; absent: the engine's own choice. */
  readonly connections?: number;
  /** While others use a database's server: `yield` (also when absent), so that they hardly feel it, or not (`ignore`). */
  readonly whenBusy?: "yield" | "ignore";
  /** Bytes a second that may be written (to the repository in a backup, to the target in a restore). */
  readonly writeBytesPerSecond?: number;
  /** Worker threads for chunking, hashing, compressing and sealing. */
  readonly workers: number;
  /** `low`: nice 10 and best-effort I/O class 7, so that the CRM goes first. */
  readonly priority: "low" | "normal";
}
