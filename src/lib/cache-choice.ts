/** What is kept on local disk of a repository's indexes and trees. Under `cache:` in `holdfast.yaml`. */
export interface CacheChoice {
  /** `auto`: of a repository that is not on a local disk. */
  readonly use: "auto" | "always" | "never";
  /** Of all repositories together. */
  readonly maxBytes: number;
}

/** Room for the indexes of ten million blobs, or for the trees of ten million files. */
export const defaultCache: CacheChoice = { use: "auto", maxBytes: 1 << 30 };
