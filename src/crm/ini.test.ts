import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { array, constantFrom, oneof, sample, tuple } from "fast-check";
import { IniError, readIni, setIniOption } from "./ini.ts";

const example = `# a comment
[DEFAULT]
shared = yes

[database]
; another comment
URI: sqlite://
path = /var/lib/tryton
   # not part of the value
list = one
  two

  three

[email]
uri = smtp://user:p%40ss@mail.example.org:25
`;

test("reads sections, both separators, continued values and defaults", () => {
  const ini = readIni(example);
  assert.deepEqual(ini.sections, ["database", "email"]);
  assert.equal(ini.get("database", "uri"), "sqlite://");
  assert.equal(ini.get("database", "PATH"), "/var/lib/tryton");
  assert.equal(ini.get("database", "list"), "one\ntwo\n\nthree");
  assert.equal(ini.get("database", "shared"), "yes");
  assert.equal(ini.get("email", "uri"), "smtp://user:p%40ss@mail.example.org:25");
  assert.equal(ini.get("email", "from"), undefined);
  assert.equal(ini.get("web", "listen"), undefined);
});

test("refuses what Python refuses, with the line", () => {
  for (const [text, line] of [
    ["path = before any section\n", 1],
    ["[a]\nno separator\n", 2],
    ["[a]\nx = 1\nX: 2\n", 3],
    ["[a]\n[b]\n[a]\n", 3],
    ["[a]\n= 1\n", 2],
  ] as const) {
    assert.throws(
      () => readIni(text),
      (error) => error instanceof IniError && error.line === line,
      text,
    );
  }
});

test("sets an option and leaves the rest alone", () => {
  const replaced = setIniOption(example, "database", "path", "/new place");
  assert.equal(replaced, example.replace("path = /var/lib/tryton", "path = /new place"));
  const continued = setIniOption(example, "database", "list", "");
  assert.equal(readIni(continued).get("database", "list"), "");
  assert.equal(readIni(continued).get("email", "uri"), readIni(example).get("email", "uri"));
  assert.equal(readIni(setIniOption(example, "email", "from", "a@b")).get("email", "from"), "a@b");
  assert.equal(readIni(setIniOption(example, "web", "listen", "localhost:1")).get("web", "listen"), "localhost:1");
  assert.equal(readIni(setIniOption("", "web", "listen", "x")).get("web", "listen"), "x");
});

type Parsed = Record<string, Record<string, string>>;

const line = oneof(
  constantFrom("", "  ", "[a]", "[b]", "  [c]", "[DEFAULT]", "# no", "  ; no", "[a] tail"),
  tuple(
    constantFrom("", " ", "    ", "\t"),
    constantFrom("x", "Y", "zed", "x y", ""),
    constantFrom("=", ":", " = ", ": ", "", "\t=\t"),
    constantFrom("1", "a:b=c", "", "; kept", "100%", "值", "two words  "),
  ).map((parts) => parts.join("")),
);
const files = array(line, { maxLength: 12 }).map((lines) => lines.join("\n"));

const python = `
import configparser, json, sys
answers = []
for text in json.load(sys.stdin):
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        answers.append({name: dict(parser[name]) for name in parser.sections()})
    except configparser.Error:
        answers.append(None)
json.dump(answers, sys.stdout)
`;

test("agrees with Python's configparser, before and after an option is set", () => {
  const texts = sample(files, 3000);
  const sets = texts.map((text) => {
    try {
      return setIniOption(text, "a", "x", "new");
    } catch {
      return "";
    }
  });
  const answers = JSON.parse(
    execFileSync("python3", ["-c", python], {
      input: JSON.stringify([...texts, ...sets]),
      maxBuffer: 1 << 28,
    }).toString(),
  ) as (Parsed | null)[];
  for (const [index, text] of texts.entries()) {
    const theirs = answers[index] ?? null;
    assert.deepEqual(ours(text, theirs), theirs, JSON.stringify(text));
    const after = answers[texts.length + index];
    if (theirs === null) continue;
    assert.deepEqual(after, { ...theirs, a: { ...theirs["a"], ...after?.["a"], x: "new" } }, JSON.stringify(text));
  }
});

/** Every option that either of us could know, as our reader gives it. */
function ours(text: string, theirs: Parsed | null): Parsed | null {
  try {
    const ini = readIni(text);
    const names = ["x", "y", "zed", "x y", ...Object.values(theirs ?? {}).flatMap(Object.keys)];
    const options = (section: string) =>
      names.flatMap((name) => {
        const value = ini.get(section, name);
        return value === undefined ? [] : [[name, value] as const];
      });
    return Object.fromEntries(ini.sections.map((section) => [section, Object.fromEntries(options(section))]));
  } catch (error) {
    if (error instanceof IniError) return null;
    throw error;
  }
}
