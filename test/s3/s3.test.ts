import { randomUUID } from "node:crypto";
import { after } from "node:test";
import { storageContract } from "../../src/storage/contract.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import { startCeph } from "../support/ceph-server.ts";

/** S3 storage on Ceph's gateway: one server for all, since it takes ten seconds to start. */
const ceph = await startCeph();
after(() => ceph[Symbol.asyncDispose]());
Object.assign(process.env, ceph.environment);

storageContract("S3, on Ceph", async () =>
  s3Storage(`s3:${ceph.endpoint}/bucket-${randomUUID()}/a prefix`, process.env),
);
