import assert from "node:assert/strict";
import { test } from "node:test";
import { placesBelow } from "./places.ts";

test("parts keep their places to each other", () => {
  const parts = {
    config: "/srv/tryton/trytond.conf",
    database: "/srv/tryton/data/crm.sqlite",
    files: "/srv/tryton/data/crm",
  };
  assert.deepEqual(placesBelow("/new", parts), {
    config: "/new/trytond.conf",
    database: "/new/data/crm.sqlite",
    files: "/new/data/crm",
  });
});

test("parts with nothing in common keep their whole path", () => {
  assert.deepEqual(
    placesBelow("/new", { config: "/etc/tryton/trytond.conf", database: "/var/lib/tryton/crm.sqlite" }),
    {
      config: "/new/etc/tryton/trytond.conf",
      database: "/new/var/lib/tryton/crm.sqlite",
    },
  );
});

test("folders with a common beginning of a name are two folders", () => {
  assert.deepEqual(placesBelow("/new", { a: "/srv/crm/db.sqlite", b: "/srv/crm-files/x" }), {
    a: "/new/crm/db.sqlite",
    b: "/new/crm-files/x",
  });
});

test("one part alone lies in the target itself", () => {
  assert.deepEqual(placesBelow("/new", { a: "/srv/crm/db.sqlite" }), { a: "/new/db.sqlite" });
});
