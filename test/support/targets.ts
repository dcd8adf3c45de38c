import { join } from "node:path";
import { azureStorage } from "../../src/storage/azure.ts";
import { gsStorage } from "../../src/storage/gs.ts";
import { localStorage } from "../../src/storage/local.ts";
import { restStorage } from "../../src/storage/rest.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import { sftpStorage } from "../../src/storage/sftp.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { startAzurite } from "./azurite-server.ts";
import { startCeph } from "./ceph-server.ts";
import { cloudImpostor } from "./cloud-impostor.ts";
import { startGcs } from "./gcs-emulator.ts";
import { startRclone } from "./rclone-server.ts";
import type { ResticAccess } from "./restic.ts";
import { startSshd } from "./sshd-server.ts";
import { temporaryFolder } from "./temp-folder.ts";

/** One kind of place that backups are kept at, on a server of its own, for what is proved of each in the same words. */
export interface Target extends AsyncDisposable {
  readonly name: TargetName;
  /** Of a repository of this name: lower-case letters, digits, dashes. */
  location(repository: string): string;
  /** What Holdfast reads of the login. */
  readonly environment: Readonly<Record<string, string>>;
  /** The storage itself, without anything that tries again. */
  open(location: string): Storage;
  /** The same through whoever listens at that port of this machine and passes on to the server; where it is spoken to by HTTP. */
  readonly behind?: (port: number, location: string) => Storage;
  /** Of the server itself. */
  readonly port?: number;
  /** Ends all connections there are; where it is not spoken to by HTTP. */
  readonly cut?: () => void;
  /** Of a repository of this name, as restic 0.14 takes it. */
  resticLocation(repository: string): string;
  /** For stock restic with its own client of this storage. */
  readonly resticAccess: ResticAccess;
}

export type TargetName = "local" | "s3" | "azure" | "gs" | "sftp" | "rest";

export const targetNames: readonly TargetName[] = ["local", "s3", "azure", "gs", "sftp", "rest"];

export const startTarget: Readonly<Record<TargetName, () => Promise<Target>>> = {
  async local() {
    const folder = temporaryFolder();
    return {
      name: "local",
      location: (repository) => join(folder.path, repository),
      environment: {},
      open: (location) => localStorage(location),
      resticLocation: (repository) => join(folder.path, repository),
      resticAccess: {},
      [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
    };
  },

  async s3() {
    const ceph = await startCeph();
    const environment = { ...ceph.environment, AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true" };
    const location = (repository: string) => `s3:${ceph.endpoint}/targets/${repository}`;
    return {
      name: "s3",
      location,
      environment,
      open: (at) => s3Storage(at, environment),
      port: ceph.port,
      behind: (port, at) => s3Storage(at.replace(`:${ceph.port}/`, `:${port}/`), environment),
      resticLocation: location,
      resticAccess: { environment },
      [Symbol.asyncDispose]: () => ceph[Symbol.asyncDispose](),
    };
  },

  async azure() {
    const azurite = await startAzurite();
    const folder = temporaryFolder();
    const impostor = await cloudImpostor({ [`${azurite.account}.blob.core.windows.net`]: azurite.port }, folder.path);
    const environment = azurite.environment();
    const location = (repository: string) => `azure:targets:/${repository}`;
    // restic makes no container.
    await using first = azureStorage(location("first"), environment);
    await first.create(new AbortController().signal);
    const login = { AZURE_ACCOUNT_NAME: azurite.account, AZURE_ACCOUNT_KEY: azurite.key };
    const resticAccess = { environment: { ...impostor.environment, ...login }, options: impostor.options };
    return {
      name: "azure",
      location,
      environment,
      open: (at) => azureStorage(at, environment),
      port: azurite.port,
      behind: (port, at) => azureStorage(at, azurite.environment(port)),
      resticLocation: location,
      resticAccess,
      async [Symbol.asyncDispose]() {
        await impostor[Symbol.asyncDispose]();
        await azurite[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    };
  },

  async gs() {
    const gcs = await startGcs();
    const folder = temporaryFolder();
    const impostor = await cloudImpostor({ "storage.googleapis.com": gcs.port }, folder.path);
    const login = { GOOGLE_ACCESS_TOKEN: gcs.token, GOOGLE_PROJECT_ID: "a-project" };
    const environment = { ...login, STORAGE_EMULATOR_HOST: `http://127.0.0.1:${gcs.port}` };
    const location = (repository: string) => `gs:targets:/${repository}`;
    const resticAccess = { environment: { ...impostor.environment, ...login }, options: impostor.options };
    return {
      name: "gs",
      location,
      environment,
      open: (at) => gsStorage(at, environment),
      port: gcs.port,
      behind: (port, at) => gsStorage(at, { ...environment, STORAGE_EMULATOR_HOST: `http://127.0.0.1:${port}` }),
      resticLocation: location,
      resticAccess,
      async [Symbol.asyncDispose]() {
        await impostor[Symbol.asyncDispose]();
        await gcs[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    };
  },

  async sftp() {
    const sshd = await startSshd();
    return {
      name: "sftp",
      location: sshd.location,
      environment: sshd.environment,
      open: (at) => sftpStorage(at, { ...process.env, ...sshd.environment }),
      cut: sshd.cut,
      resticLocation: sshd.location,
      resticAccess: sshd.resticAccess,
      [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose](),
    };
  },

  async rest() {
    const rclone = await startRclone();
    return {
      name: "rest",
      location: rclone.location,
      environment: rclone.environment,
      open: (at) => restStorage(at, rclone.environment),
      port: rclone.port,
      behind: (port, at) => restStorage(at.replace(`:${rclone.port}/`, `:${port}/`), rclone.environment),
      resticLocation: rclone.resticLocation,
      resticAccess: {},
      [Symbol.asyncDispose]: () => rclone[Symbol.asyncDispose](),
    };
  },
};
