import assert from "node:assert/strict";
import { test } from "node:test";
import { readEnv, setEnv } from "./env-file.ts";

const text = `# A=comment
A=plain # note
B="two words \\"q\\" \${A}"
export C='raw $A'
D=\${MISSING:-instead}:\${A}
E=
F=a=b#c
A_B=$A
G="last" # note
`;

test("values as Compose and Dotenv read them", () => {
  assert.deepEqual(Object.fromEntries(readEnv(text)), {
    A: "plain",
    B: 'two words "q" plain',
    C: "raw $A",
    D: "instead:plain",
    E: "",
    F: "a=b#c",
    A_B: "plain",
    G: "last",
  });
});

test("setting a value keeps everything else, notes behind it too", () => {
  const changed = setEnv(setEnv(setEnv(setEnv(text, "A", "x y"), "E", "http://a/b?c=d"), "NEW", 'q"$'), "G", "g");
  const values = readEnv(changed);
  assert.deepEqual(
    [values.get("A"), values.get("E"), values.get("NEW"), values.get("G")],
    ["x y", "http://a/b?c=d", 'q"$', "g"],
  );
  assert.ok(
    changed.includes('A="x y" # note\n') && changed.includes("G=g # note\n") && changed.startsWith("# A=comment\n"),
  );
});
