/** To whom a right of `aclexplode` was given, for a statement. */
export function grantee(item: string): string {
  return `CASE WHEN ${item}.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(${item}.grantee)) END`;
}

export function option(item: string): string {
  return `CASE WHEN ${item}.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END`;
}

/** That a list of rights does not hold this one. */
export function isNotAmong(acl: string, item: string): string {
  return `NOT EXISTS (SELECT FROM aclexplode(${acl}) a WHERE a.grantee = ${item}.grantee AND a.privilege_type = ${item}.privilege_type)`;
}
