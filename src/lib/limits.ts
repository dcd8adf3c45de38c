/** How hard a run may work. Kept in `holdfast.yaml` under `limits:`; the defaults stand in `config/`. */
export interface Limits {
  /** Bytes a second that may be read from the source; absent: no limit. */
  readonly readBytesPerSecond?: number;
  /** Bytes a second that may be written (to the repository in a backup, to the target in a restore). */
  readonly writeBytesPerSecond?: number;
  /** Worker threads for chunking, hashing, compressing and sealing. */
  readonly workers: number;
  /** `low`: nice 10 and best-effort I/O class 7, so that the CRM goes first. */
  readonly priority: "low" | "normal";
}
