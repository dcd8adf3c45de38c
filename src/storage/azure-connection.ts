import type { ContainerClient, StoragePipelineOptions } from "@azure/storage-blob";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";

type Library = typeof import("@azure/storage-blob");

/** Of the version that `package.json` names: what it is tested with. */
const libraryVersion = "12.34.0";
/** Nothing here depends on it; what it says when it fails was tried with this one. */
export const identityVersion = "4.14.1";

/**
 * The container, with a login from where Azure's own programs and restic take it: `AZURE_STORAGE_CONNECTION_STRING`, or
 * `AZURE_ACCOUNT_NAME` with `AZURE_ACCOUNT_KEY` or `AZURE_ACCOUNT_SAS`; else what `@azure/identity` finds, where it is
 * installed: the machine's or the pod's identity, a service principal, `az login`. `AZURE_ENDPOINT_SUFFIX` is another than
 * `core.windows.net` for Azure's national clouds.
 */
export async function connectAzure(
  container: string,
  location: string,
  environment: NodeJS.ProcessEnv,
): Promise<ContainerClient> {
  const library = await loadLibrary();
  const {
    AZURE_STORAGE_CONNECTION_STRING: connection,
    AZURE_ACCOUNT_NAME: account,
    AZURE_ACCOUNT_KEY: key,
    AZURE_ACCOUNT_SAS: token,
    AZURE_ENDPOINT_SUFFIX: suffix = "core.windows.net",
  } = environment;
  const login = (reason: string, cause?: unknown) => new HoldfastError("storage-login", { location, reason }, cause);
  // Trying again is `retry.ts`'s.
  const options: StoragePipelineOptions = { retryOptions: { maxTries: 1 } };
  if (connection) {
    try {
      const service = library.BlobServiceClient.fromConnectionString(connection, options);
      return service.getContainerClient(container);
    } catch {
      // The library's own words may repeat it.
      throw login("AZURE_STORAGE_CONNECTION_STRING");
    }
  }
  if (!account) throw login("no AZURE_ACCOUNT_NAME");
  if (!/^[a-z0-9]{3,24}$/.test(account)) throw login("AZURE_ACCOUNT_NAME");
  const url = `https://${account}.blob.${suffix}`;
  if (key) {
    const credential = new library.StorageSharedKeyCredential(account, key);
    return new library.BlobServiceClient(url, credential, options).getContainerClient(container);
  }
  if (token) {
    const signed = `${url}?${token.replace(/^\?/, "")}`;
    const credential = new library.AnonymousCredential();
    return new library.BlobServiceClient(signed, credential, options).getContainerClient(container);
  }
  const credential = await identity();
  return new library.BlobServiceClient(url, credential, options).getContainerClient(container);
}

async function loadLibrary(): Promise<Library> {
  return await import("@azure/storage-blob").catch(notInstalled("@azure/storage-blob", libraryVersion));
}

function notInstalled(library: string, version: string, reason?: string): (error: unknown) => never {
  return (error) => {
    if (!hasSystemCode(error, "ERR_MODULE_NOT_FOUND")) throw error;
    throw new HoldfastError("storage-library", { kind: "azure", library, version, ...(reason && { reason }) }, error);
  };
}

type Credential = ContainerClient["credential"];

/** Installed by whoever wants it; what it is of is known from its documentation. */
async function identity(): Promise<Credential> {
  const name = "@azure/identity";
  const reason = "no AZURE_ACCOUNT_KEY, no AZURE_ACCOUNT_SAS";
  const { DefaultAzureCredential } = (await import(name).catch(notInstalled(name, identityVersion, reason))) as {
    readonly DefaultAzureCredential: new () => Credential;
  };
  return new DefaultAzureCredential();
}
