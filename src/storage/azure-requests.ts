import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import type { AzureSubject } from "./azure-error.ts";
import type { StoredFile } from "./storage.ts";

export interface AzureRequestParts {
  readonly container: ContainerClient;
  readonly abortSignal: AbortSignal;
  /** To be called when something moved. */
  readonly heard: () => void;
}

export type AzureRequest<T> = (parts: AzureRequestParts) => Promise<T>;
export type BlobRequest<T> = (blob: BlockBlobClient, parts: AzureRequestParts, subject: AzureSubject) => Promise<T>;

/** How the parts of the storage on Azure make requests. */
export interface AzureRequests {
  readonly location: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** Runs one request about the container, or about the file if one is named; what fails is classified. */
  ask<T>(file: StoredFile | undefined, signal: AbortSignal, request: AzureRequest<T>): Promise<T>;
  askBlob<T>(file: StoredFile, signal: AbortSignal, request: BlobRequest<T>): Promise<T>;
}
