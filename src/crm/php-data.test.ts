import assert from "node:assert/strict";
import { test } from "node:test";
import { definePhp, readPhp, setPhp } from "./php-data.ts";

const text = `<?php
// $a['x'] = 'comment';
/* define('B', 'comment'); */
$a = array (
  'x' =>
  array (
    'name' => 'it\\'s',
    'port' => '',
  ),
  0 => 'zero', 'none' => NULL, 'yes' => TRUE,
);
$text = "$a = 'inside of text';";
$a['x']["name"] = "a\\"b\\n";
$a['sum'] = $a['x']['port'] . 'x';
if ($a == 'no') { $b = -1.5; }
if (!defined('C')) { define( 'C' , 'mysql://u:p@h/x' . '?new_link=true' ); }
define("D", dirname(__FILE__));
$fn = function () { return ['k' => (object) ['z' => 1,], 'call' => strtolower('X')]; };
return ['k' => (object) ['z' => 1,], 'list' => ['one', 'two']];
`;

test("plain values are read, by their paths; what is computed, commented or inside of text is not", () => {
  const php = readPhp(text);
  const found = [
    php.get("a", "x", "name"),
    php.get("a", "x", "port"),
    php.get("a", "0"),
    php.get("a", "none"),
    php.get("a", "yes"),
    php.get("a", "sum"),
    php.get("b"),
    php.get("B"),
    php.get("C"),
    php.get("D"),
    php.get("return", "k", "z"),
    php.get("return", "list", "1"),
    php.get("return", "call"),
    php.get("return", "list"),
  ];
  assert.deepEqual(found, [
    'a"b\n',
    "",
    "zero",
    undefined,
    "true",
    undefined,
    "-1.5",
    undefined,
    "mysql://u:p@h/x?new_link=true",
    undefined,
    "1",
    "two",
    undefined,
    undefined,
  ]);
  assert.deepEqual(php.keys("a", "x"), ["name", "port"]);
});

test("setting a value changes it and nothing else", () => {
  const values: readonly (readonly [readonly string[], string | boolean])[] = [
    [["a", "x", "name"], "O'Neil \\ co"],
    [["a", "x", "port"], "3307"],
    [["a", "x", "new"], "n"],
    [["a", "deep", "er"], true],
    [["return", "k", "z"], false],
    [["return", "list", "more"], "three"],
    [["fresh", "key"], "f"],
  ];
  const changed = values.reduce((result, [path, value]) => setPhp(result, path, value), text);
  const php = readPhp(changed);
  for (const [path, value] of values) assert.equal(php.get(...path), String(value), path.join());
  assert.equal(php.get("a", "0"), "zero");
  assert.equal(php.get("C"), readPhp(text).get("C"));
  const lines = new Set(changed.split("\n"));
  for (const line of ["// $a['x'] = 'comment';", "$a['sum'] = $a['x']['port'] . 'x';"])
    assert.ok(lines.has(line), line);
});

test("a constant that is computed, or not there, is defined before anything else", () => {
  assert.equal(readPhp(definePhp(text, "C", "c")).get("C"), "c");
  for (const name of ["D", "E"]) {
    assert.ok(definePhp(text, name, "d").startsWith(`<?php\ndefine('${name}', 'd');\n`), name);
  }
});

test("of an array, what is no plain value is left out, and the rest is read", () => {
  const php = readPhp(`<?php
$dictionary['Account'] = array('table' => 'accounts', 'fields' => array(
  'name' => array('vname' => 'LBL_NAME', 'relationship' => strtolower($module) . '_x, [y]', 'len' => 4 * 5, 'type' => 'name'),
  strtolower($name) . '_type' => array('vname' => 'LBL_LOST'),
  'call' => $f(['vname' => "it's"], ')'), /* 'x' => 1, */ 'email' => ['vname' => 'LBL_' . 'EMAIL', ...$more],
), 'one', count($a), 'three');
`);
  assert.deepEqual(php.keys("dictionary", "Account", "fields"), ["name", "email"]);
  assert.deepEqual(php.keys("dictionary", "Account", "fields", "name"), ["vname", "type"]);
  assert.deepEqual(
    ["0", "1", "2"].map((key) => php.get("dictionary", "Account", key)),
    ["one", undefined, "three"],
  );
  assert.equal(php.get("dictionary", "Account", "fields", "email", "vname"), "LBL_EMAIL");
});

test("a text that was made to be slow to read is not", () => {
  for (const part of [
    "/*",
    "'\\'",
    "$a=[",
    "(object)",
    "[",
    "$a=/*",
    "$a=['\\'",
    "['a'=>",
    "#\n",
    "$a='x'.",
    "$a=[f(",
    "{",
  ]) {
    const started = performance.now();
    for (const closed of ["", "]"]) readPhp(part.repeat(200_000 / part.length) + closed.repeat(100_000)).get("a");
    assert.ok(performance.now() - started < 5000, part);
  }
});

test("text that is no PHP, or cut off, gives nothing and does not hang", () => {
  for (const odd of [
    "",
    "$",
    "$a = array(",
    "return [",
    "define('X', ",
    "$a = [[[[[[",
    `$a = '${"x".repeat(100_000)}`,
    "'".repeat(5000),
  ]) {
    assert.equal(readPhp(odd).get("a"), undefined);
  }
});
