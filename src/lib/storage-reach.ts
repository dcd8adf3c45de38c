/** How a repository's storage is spoken to: with which login, and how hard. */
export interface StorageReach {
  /** What stands for variables of the environment of these names, such as `AWS_SECRET_ACCESS_KEY`: the values themselves. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** The same, read anew from where they stand, for when they have run out. Absent: they stand there as they are. */
  readonly renewed?: (signal: AbortSignal) => Promise<Readonly<Record<string, string>>>;
  readonly traffic?: StorageTraffic;
}

/** `limits:` of `holdfast.yaml`, as far as they concern a storage elsewhere. */
export interface StorageTraffic {
  readonly uploadBytesPerSecond?: number;
  readonly downloadBytesPerSecond?: number;
  /** Most requests at once; absent: what the storage itself thinks best. */
  readonly requests?: number;
  /** For how long nothing may be heard of a request before it is tried again. */
  readonly silentMs?: number;
}

/** Variables that may be given by reference: `secret` ones, and those that are no secret and stand as they are. */
export const credentialNames = {
  secret: [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_ACCOUNT_KEY",
    "AZURE_ACCOUNT_SAS",
    "AZURE_STORAGE_CONNECTION_STRING",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_ACCESS_TOKEN",
    "RESTIC_REST_PASSWORD",
    "SFTP_PASSWORD",
    "SFTP_KEY_PASSPHRASE",
  ],
  plain: ["AWS_REGION", "AZURE_ACCOUNT_NAME", "AZURE_ENDPOINT_SUFFIX", "GOOGLE_PROJECT_ID", "RESTIC_REST_USERNAME"],
  /** Paths of files, from where the configuration is. */
  path: ["SFTP_KEY_FILE", "SFTP_KNOWN_HOSTS"],
} as const;
