-- A database with one of nearly everything, for tests.
CREATE SCHEMA "Vertrieb 2";

CREATE TYPE stage AS ENUM ('lead', 'gewonnen''s', 'lost "x"');
CREATE TYPE money_with_unit AS (amount numeric(12, 2), unit text COLLATE "C");
CREATE DOMAIN email AS text DEFAULT 'nobody@example.org' CHECK (VALUE LIKE '%@%');
CREATE DOMAIN small_number AS integer NOT NULL;
CREATE TYPE float_range AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE FUNCTION tax(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $tax$ SELECT amount * 0.19; -- ; $tax$;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := now(); RETURN NEW; END; $$;
CREATE TABLE company (
  id bigserial PRIMARY KEY,
  name text NOT NULL,
  mail email,
  net money_with_unit,
  stage stage DEFAULT 'lead' NOT NULL,
  price numeric,
  tax numeric GENERATED ALWAYS AS (tax(price)) STORED,
  changed timestamptz,
  CONSTRAINT price_is_not_negative CHECK (price IS NULL OR price >= 0 OR price = 'NaN')
);
CREATE TABLE contact (
  id integer GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 5) PRIMARY KEY,
  company bigint REFERENCES company ON DELETE CASCADE,
  "Anrede; ""x""" varchar(40) COLLATE "C",
  photo bytea,
  UNIQUE (company, "Anrede; ""x""")
);
CREATE TABLE "Vertrieb 2"."deal;log" (at timestamptz, what jsonb);
CREATE TABLE tag (name text PRIMARY KEY, weight real);
CREATE TABLE nothing ();
CREATE UNLOGGED TABLE session (token uuid PRIMARY KEY, data text);
CREATE TABLE visit (at date NOT NULL, contact integer NOT NULL, note text, PRIMARY KEY (at, contact)) PARTITION BY RANGE (at);
CREATE TABLE visit_2025 PARTITION OF visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visit_rest PARTITION OF visit DEFAULT;
CREATE TABLE vehicle (id integer PRIMARY KEY, wheels integer);
CREATE TABLE lorry (load_kg integer) INHERITS (vehicle);
ALTER TABLE lorry ADD PRIMARY KEY (id);
CREATE TABLE wide_key (a smallint, b text, c uuid, v numeric(8, 2)[], PRIMARY KEY (a, b, c));
CREATE SEQUENCE invoice_number START WITH 1000 INCREMENT BY -7 MINVALUE -99999 MAXVALUE 5000 CYCLE;
CREATE INDEX contact_by_name ON contact (lower("Anrede; ""x""") DESC NULLS LAST) WHERE company IS NOT NULL;
CREATE VIEW big_company AS SELECT c.id, c.name, count(*) AS contacts FROM company c LEFT JOIN contact t ON t.company = c.id GROUP BY c.id;
CREATE VIEW names WITH (security_barrier = true) AS SELECT name FROM company WHERE name LIKE 'a%';
CREATE MATERIALIZED VIEW stages AS SELECT stage, count(*) AS n FROM company GROUP BY stage;
CREATE UNIQUE INDEX stages_stage ON stages (stage);
CREATE TRIGGER company_stamp BEFORE INSERT OR UPDATE ON company FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE tag ENABLE ROW LEVEL SECURITY;
CREATE POLICY tags_are_for_all ON tag FOR SELECT USING (weight > 0);
CREATE RULE no_delete AS ON DELETE TO tag DO INSTEAD NOTHING;
CREATE STATISTICS company_stats ON name, stage FROM company;
ALTER TABLE "Vertrieb 2"."deal;log" REPLICA IDENTITY FULL;
COMMENT ON TABLE company IS 'Firmen; "alle"';
COMMENT ON COLUMN company.price IS E'line\nbreak';
INSERT INTO company (name, mail, net, stage, price) SELECT 'company ' || i || E' \t\n\\ ' || chr(20000 + i % 5000), 'a' || i || '@x', ROW(i * 1.5, 'EUR, "x"'::text)::money_with_unit, CASE WHEN i % 3 = 0 THEN 'gewonnen''s'::stage ELSE 'lead' END, i FROM generate_series(1, 3000) i;
INSERT INTO contact (company, "Anrede; ""x""", photo) SELECT i, CASE WHEN i % 2 = 0 THEN 'Herr ' || i END, decode(md5(i::text), 'hex') FROM generate_series(1, 2500) i;
DELETE FROM contact WHERE id % 7 = 0;
INSERT INTO "Vertrieb 2"."deal;log" SELECT now(), '{"b": 1, "a": [null, "\t"]}' FROM generate_series(1, 5);
INSERT INTO tag VALUES ('Ä', 1), ('a', 2), ('B', 3), ('Z', 4), (E'x\\y', 5), (E'tab\there', 6), ('ß', 7), ('', 8);
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO session SELECT gen_random_uuid(), repeat('x', 5000) FROM generate_series(1, 50);
INSERT INTO visit SELECT '2024-06-01'::date + i, i % 10, 'n' || i FROM generate_series(1, 1000) i;
INSERT INTO vehicle VALUES (1, 2);
INSERT INTO lorry VALUES (2, 6, 7500);
INSERT INTO wide_key SELECT i % 10 - 5, 'k' || i, md5(i::text)::uuid, ARRAY[i, NULL, 0.5] FROM generate_series(1, 500) i;
SELECT nextval('invoice_number'), nextval('invoice_number');
SELECT lo_create(70001), lo_put(70001, 0, decode(repeat('00ff5c', 200000), 'hex')), lo_create(70002);
REFRESH MATERIALIZED VIEW stages;
CREATE ROLE sales;
GRANT USAGE ON SCHEMA "Vertrieb 2" TO sales;
GRANT SELECT, UPDATE (name) ON company TO sales;
GRANT SELECT ON tag TO PUBLIC;
ALTER TABLE vehicle OWNER TO sales;
REVOKE EXECUTE ON FUNCTION tax(numeric) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO sales;
ALTER DATABASE :"DBNAME" SET work_mem TO '5MB';
