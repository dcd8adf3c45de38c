import { type Definition, noExtension, own } from "./catalog-objects.ts";
import type { PostgresConnection } from "./connection.ts";

/**
 * What a database's own functions serve for, from the catalog: aggregates, operators with their families and classes, casts, conversions,
 * access methods, languages, transforms, text search. Names of the server's own things need no schema; all others are written with it.
 */
export async function catalogOperators(connection: PostgresConnection): Promise<readonly Definition[]> {
  const queries = [aggregatesSql, operatorsSql, familiesSql, usesSql, textSearchSql];
  const rows = await connection.rows(queries.join(" UNION ALL "));
  return rows.map(([id, rank, statement]) => ({ id: id ?? "", rank: Number(rank), statements: [statement ?? ""] }));
}

const operator = (oid: string) =>
  `(SELECT format('OPERATOR(%I.%s)', xn.nspname, x.oprname) FROM pg_operator x JOIN pg_namespace xn ON xn.oid = x.oprnamespace WHERE x.oid = ${oid})`;
/** An option that is written unless the catalog has nothing for it. */
const unlessZero = (oid: string, text: string) => `CASE WHEN ${oid} <> 0 THEN ${text} ELSE '' END`;
const routine = (word: string, oid: string) => unlessZero(oid, `', ${word} = ' || ${oid}::regproc`);

/** How the last function may use the state: what is usual for the kind of aggregate is not written. */
const modify = (word: string, column: string) =>
  `CASE WHEN ${column} = CASE WHEN a.aggkind = 'n' THEN 'r' ELSE 'w' END::"char" THEN ''
     ELSE ', ${word} = ' || CASE ${column} WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END`;

const aggregatesSql = `
  SELECT 'pg_proc ' || p.oid, 3, format('CREATE AGGREGATE %I.%I(%s) (SFUNC = %s, STYPE = %s', n.nspname, p.proname,
      CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_get_function_arguments(p.oid) END, a.aggtransfn::regproc, format_type(a.aggtranstype, NULL))
    || ${unlessZero("a.aggtransspace", "', SSPACE = ' || a.aggtransspace")} || ${routine("FINALFUNC", "a.aggfinalfn")}
    || CASE WHEN a.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END || ${modify("FINALFUNC_MODIFY", "a.aggfinalmodify")}
    || ${routine("COMBINEFUNC", "a.aggcombinefn")} || ${routine("SERIALFUNC", "a.aggserialfn")} || ${routine("DESERIALFUNC", "a.aggdeserialfn")}
    || coalesce(', INITCOND = ' || quote_literal(a.agginitval), '') || ${routine("MSFUNC", "a.aggmtransfn")}
    || ${routine("MINVFUNC", "a.aggminvtransfn")} || ${unlessZero("a.aggmtranstype", "', MSTYPE = ' || format_type(a.aggmtranstype, NULL)")}
    || ${unlessZero("a.aggmtransspace", "', MSSPACE = ' || a.aggmtransspace")} || ${routine("MFINALFUNC", "a.aggmfinalfn")}
    || CASE WHEN a.aggmfinalextra THEN ', MFINALFUNC_EXTRA' ELSE '' END || ${unlessZero("a.aggmtransfn", modify("MFINALFUNC_MODIFY", "a.aggmfinalmodify"))}
    || coalesce(', MINITCOND = ' || quote_literal(a.aggminitval), '') || ${unlessZero("a.aggsortop", `', SORTOP = ' || ${operator("a.aggsortop")}`)}
    || CASE a.aggkind WHEN 'h' THEN ', HYPOTHETICAL' ELSE '' END
    || CASE p.proparallel WHEN 's' THEN ', PARALLEL = safe' WHEN 'r' THEN ', PARALLEL = restricted' ELSE '' END || ')'
  FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE ${own} AND ${noExtension("pg_proc", "p.oid")}`;

/** One that another names before it is made is there, as a shell, when its turn comes. Shells that nobody filled are left out. */
const operatorsSql = `
  SELECT 'pg_operator ' || o.oid, 3, format('CREATE OPERATOR %I.%s (FUNCTION = %s', n.nspname, o.oprname, o.oprcode::regproc)
    || ${unlessZero("o.oprleft", "', LEFTARG = ' || format_type(o.oprleft, NULL)")} || ${unlessZero("o.oprright", "', RIGHTARG = ' || format_type(o.oprright, NULL)")}
    || ${unlessZero("o.oprcom", `', COMMUTATOR = ' || ${operator("o.oprcom")}`)} || ${unlessZero("o.oprnegate", `', NEGATOR = ' || ${operator("o.oprnegate")}`)}
    || CASE WHEN o.oprcanmerge THEN ', MERGES' ELSE '' END || CASE WHEN o.oprcanhash THEN ', HASHES' ELSE '' END
    || ${routine("RESTRICT", "o.oprrest")} || ${routine("JOIN", "o.oprjoin")} || ')'
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oprcode <> 0 AND ${own} AND ${noExtension("pg_operator", "o.oid")}`;

const family = (oid: string) =>
  `(SELECT format('%I.%I', xn.nspname, x.opfname) FROM pg_opfamily x JOIN pg_namespace xn ON xn.oid = x.opfnamespace WHERE x.oid = ${oid})`;
/** Operators and functions of a class, or of a family alone. */
const members = (operators: string, functions: string) => `
  SELECT string_agg(m.text, ', ' ORDER BY m.kind, m.number, m.text) FROM (
    SELECT 1 AS kind, ao.amopstrategy AS number, format('OPERATOR %s %s%s', ao.amopstrategy, ao.amopopr::regoperator,
        ${unlessZero("ao.amopsortfamily", `' FOR ORDER BY ' || ${family("ao.amopsortfamily")}`)}) AS text
      FROM pg_amop ao WHERE ${operators}
    UNION ALL
    SELECT 2, ap.amprocnum, format('FUNCTION %s (%s, %s) %s', ap.amprocnum, format_type(ap.amproclefttype, NULL), format_type(ap.amprocrighttype, NULL), ap.amproc::regprocedure)
      FROM pg_amproc ap WHERE ${functions}) AS m`;
const ofClass = (catalog: string, oid: string, condition = "") =>
  `EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.refclassid = 'pg_opclass'::regclass AND d.deptype = 'i' ${condition})`;

const familiesSql = `
  SELECT 'pg_opfamily ' || f.oid, 3, format('CREATE OPERATOR FAMILY %I.%I USING %I', n.nspname, f.opfname, m.amname)
    FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE ${own} AND ${noExtension("pg_opfamily", "f.oid")}
  UNION ALL
  SELECT 'loose ' || f.oid, 3, format('ALTER OPERATOR FAMILY %I.%I USING %I ADD %s', n.nspname, f.opfname, m.amname, loose.texts)
    FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod JOIN pg_namespace n ON n.oid = f.opfnamespace
    CROSS JOIN LATERAL (${members(
      `ao.amopfamily = f.oid AND NOT ${ofClass("pg_amop", "ao.oid")}`,
      `ap.amprocfamily = f.oid AND NOT ${ofClass("pg_amproc", "ap.oid")}`,
    )}) AS loose(texts)
    WHERE loose.texts IS NOT NULL AND ${own} AND ${noExtension("pg_opfamily", "f.oid")}
  UNION ALL
  SELECT 'pg_opclass ' || o.oid, 3, format('CREATE OPERATOR CLASS %I.%I %sFOR TYPE %s USING %I FAMILY %s AS STORAGE %s%s', n.nspname, o.opcname,
      CASE WHEN o.opcdefault THEN 'DEFAULT ' ELSE '' END, format_type(o.opcintype, NULL), m.amname, ${family("o.opcfamily")},
      format_type(CASE WHEN o.opckeytype <> 0 THEN o.opckeytype ELSE o.opcintype END, NULL),
      coalesce(', ' || (${members(
        ofClass("pg_amop", "ao.oid", "AND d.refobjid = o.oid"),
        ofClass("pg_amproc", "ap.oid", "AND d.refobjid = o.oid"),
      )}), ''))
    FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE ${own} AND ${noExtension("pg_opclass", "o.oid")}`;

/** From here on the numbers are a database's own; a cast, a language and a transform lie in no schema. */
const isOwn = (catalog: string, oid: string) => `${oid} >= 16384 AND ${noExtension(catalog, oid)}`;

const usesSql = `
  SELECT 'pg_cast ' || c.oid, 3, format('CREATE CAST (%s AS %s) %s%s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL),
      CASE c.castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT' ELSE 'WITH FUNCTION ' || c.castfunc::regprocedure END,
      CASE c.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END)
    FROM pg_cast c WHERE ${isOwn("pg_cast", "c.oid")}
  UNION ALL
  SELECT 'pg_conversion ' || c.oid, 3, format('CREATE %sCONVERSION %I.%I FOR %L TO %L FROM %s', CASE WHEN c.condefault THEN 'DEFAULT ' ELSE '' END,
      n.nspname, c.conname, pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc::regproc)
    FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace WHERE ${own} AND ${noExtension("pg_conversion", "c.oid")}
  UNION ALL
  SELECT 'pg_am ' || m.oid, 3, format('CREATE ACCESS METHOD %I TYPE %s HANDLER %s', m.amname, CASE m.amtype WHEN 't' THEN 'TABLE' ELSE 'INDEX' END, m.amhandler::regproc)
    FROM pg_am m WHERE ${isOwn("pg_am", "m.oid")}
  UNION ALL
  SELECT 'pg_language ' || l.oid, 3, format('CREATE %sLANGUAGE %I HANDLER %s', CASE WHEN l.lanpltrusted THEN 'TRUSTED ' ELSE '' END, l.lanname, l.lanplcallfoid::regproc)
      || ${unlessZero("l.laninline", "' INLINE ' || l.laninline::regproc")} || ${unlessZero("l.lanvalidator", "' VALIDATOR ' || l.lanvalidator::regproc")}
    FROM pg_language l WHERE l.lanispl AND ${isOwn("pg_language", "l.oid")}
  UNION ALL
  SELECT 'pg_transform ' || t.oid, 3, format('CREATE TRANSFORM FOR %s LANGUAGE %I (%s)', format_type(t.trftype, NULL), l.lanname,
      concat_ws(', ', 'FROM SQL WITH FUNCTION ' || nullif(t.trffromsql, 0)::regprocedure, 'TO SQL WITH FUNCTION ' || nullif(t.trftosql, 0)::regprocedure))
    FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE ${isOwn("pg_transform", "t.oid")}`;

const textSearchName = (catalog: string, prefix: string, oid: string) =>
  `(SELECT format('%I.%I', xn.nspname, x.${prefix}name) FROM ${catalog} x JOIN pg_namespace xn ON xn.oid = x.${prefix}namespace WHERE x.oid = ${oid})`;

const textSearchSql = `
  SELECT 'pg_ts_parser ' || p.oid, 3, format('CREATE TEXT SEARCH PARSER %I.%I (START = %s, GETTOKEN = %s, END = %s%s, LEXTYPES = %s)', n.nspname, p.prsname,
      p.prsstart, p.prstoken, p.prsend, ${unlessZero("p.prsheadline", "', HEADLINE = ' || p.prsheadline")}, p.prslextype)
    FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE ${own} AND ${noExtension("pg_ts_parser", "p.oid")}
  UNION ALL
  SELECT 'pg_ts_template ' || t.oid, 3, format('CREATE TEXT SEARCH TEMPLATE %I.%I (%sLEXIZE = %s)', n.nspname, t.tmplname,
      ${unlessZero("t.tmplinit", "'INIT = ' || t.tmplinit || ', '")}, t.tmpllexize)
    FROM pg_ts_template t JOIN pg_namespace n ON n.oid = t.tmplnamespace WHERE ${own} AND ${noExtension("pg_ts_template", "t.oid")}
  UNION ALL
  SELECT 'pg_ts_dict ' || t.oid, 3, format('CREATE TEXT SEARCH DICTIONARY %I.%I (TEMPLATE = %s%s)', n.nspname, t.dictname,
      ${textSearchName("pg_ts_template", "tmpl", "t.dicttemplate")}, coalesce(', ' || t.dictinitoption, ''))
    FROM pg_ts_dict t JOIN pg_namespace n ON n.oid = t.dictnamespace WHERE ${own} AND ${noExtension("pg_ts_dict", "t.oid")}
  UNION ALL
  SELECT 'pg_ts_config ' || c.oid, 3, format('CREATE TEXT SEARCH CONFIGURATION %I.%I (PARSER = %s)', n.nspname, c.cfgname, ${textSearchName("pg_ts_parser", "prs", "c.cfgparser")})
    FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace WHERE ${own} AND ${noExtension("pg_ts_config", "c.oid")}
  UNION ALL
  SELECT 'mapping ' || c.oid || ' ' || m.maptokentype, 7, format('ALTER TEXT SEARCH CONFIGURATION %I.%I ADD MAPPING FOR %I WITH %s', n.nspname, c.cfgname,
      (SELECT alias FROM ts_token_type(c.cfgparser) WHERE tokid = m.maptokentype),
      string_agg(${textSearchName("pg_ts_dict", "dict", "m.mapdict")}, ', ' ORDER BY m.mapseqno))
    FROM pg_ts_config c JOIN pg_ts_config_map m ON m.mapcfg = c.oid JOIN pg_namespace n ON n.oid = c.cfgnamespace
    WHERE ${own} AND ${noExtension("pg_ts_config", "c.oid")} GROUP BY c.oid, c.cfgname, c.cfgparser, n.nspname, m.maptokentype`;
