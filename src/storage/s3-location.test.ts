import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { parseS3Location, type S3Place } from "./s3-location.ts";

test("locations are read as restic reads them", () => {
  const expected: Readonly<Record<string, S3Place>> = {
    "s3:https://nas.example.com:9000/crm": {
      endpoint: "https://nas.example.com:9000",
      bucket: "crm",
      prefix: "",
      style: "path",
    },
    "s3:http://127.0.0.1:9000/crm/": { endpoint: "http://127.0.0.1:9000", bucket: "crm", prefix: "", style: "path" },
    "s3:nas.example.com/crm/a//b c/": {
      endpoint: "https://nas.example.com",
      bucket: "crm",
      prefix: "a/b c/",
      style: "path",
    },
    "s3://nas.example.com/crm/备份": {
      endpoint: "https://nas.example.com",
      bucket: "crm",
      prefix: "备份/",
      style: "path",
    },
    "s3:http://nas:9000/crm/a%20b": { endpoint: "http://nas:9000", bucket: "crm", prefix: "a b/", style: "path" },
    "s3:s3.amazonaws.com/crm/acme": { bucket: "crm", prefix: "acme/", style: "host" },
    "s3:https://s3.eu-central-1.amazonaws.com/crm": {
      region: "eu-central-1",
      bucket: "crm",
      prefix: "",
      style: "host",
    },
    "s3:s3.cn-north-1.amazonaws.com.cn/crm": { region: "cn-north-1", bucket: "crm", prefix: "", style: "host" },
    "s3:oss-cn-hangzhou.aliyuncs.com/crm": {
      endpoint: "https://oss-cn-hangzhou.aliyuncs.com",
      bucket: "crm",
      prefix: "",
      style: "host",
    },
    "s3:cos.ap-guangzhou.myqcloud.com/crm-1250000000": {
      endpoint: "https://cos.ap-guangzhou.myqcloud.com",
      bucket: "crm-1250000000",
      prefix: "",
      style: "host",
    },
    "s3:storage.googleapis.com/crm.example.com": {
      endpoint: "https://storage.googleapis.com",
      bucket: "crm.example.com",
      prefix: "",
      style: "path",
    },
  };
  for (const [location, place] of Object.entries(expected))
    assert.deepEqual(parseS3Location(location), place, location);
});

test("what is no location is refused, and a key in it is not repeated", () => {
  for (const location of [
    "s3:",
    "s3:host",
    "s3:https://host/",
    "s3:https://host/b",
    "s3:https://host/bucket/../other",
    "s3:https://host/bucket/a%00b",
    "s3:https://host/bucket/%ff",
    "s3:https://host:99999/bucket",
    "s3:https://KEY:SECRET@host/bucket",
    "s3:KEY:SECRET@host/bucket",
    "s3:https://host/bucket?secret=SECRET",
  ]) {
    assert.throws(
      () => parseS3Location(location),
      (error) => isHoldfastError(error, "storage-address") && !error.message.includes("SECRET"),
      location,
    );
  }
});
