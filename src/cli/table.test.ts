import assert from "node:assert/strict";
import { test } from "node:test";
import { displayWidth } from "../words/width.ts";
import { renderTable } from "./table.ts";

test("columns align whatever their characters are", () => {
  const lines = renderTable(
    [{ heading: "编号" }, { heading: "名称" }, { heading: "大小", align: "right" }, { heading: "末" }],
    [
      ["4f2a91c3", "客户关系", "1.24 MB", "x"],
      ["00000000", "acme", "9 B", "x"],
      ["a", "混合mixed名", "100 kB", "x"],
    ],
  );
  assert.deepEqual(lines, [
    "编号      名称            大小  末",
    "4f2a91c3  客户关系     1.24 MB  x",
    "00000000  acme             9 B  x",
    "a         混合mixed名   100 kB  x",
  ]);
  const ends = lines.slice(1).map((line) => displayWidth(line));
  assert.equal(new Set(ends).size, 1);
});

test("a name cannot steer the terminal or break a line", () => {
  const [, line = ""] = renderTable([{ heading: "n" }], [["a\u001b[31m\nb"]]);
  assert.equal(line, "a\ufffd[31m\ufffdb");
});

test("a folder of more files than a function takes arguments is a table as well", () => {
  const lines = renderTable(
    [{ heading: "name" }],
    Array.from({ length: 200_000 }, (_, at) => [`${at}`]),
  );
  assert.equal(lines.length, 200_001);
});
