#!/bin/sh
# Runs the tests of MariaDB and MySQL on servers that this Debian has not (scripts/other-servers.sh), one after the other.
#
#     scripts/test-servers.sh [SERVER…] [-- WORD…]     absent: all servers, all tests that start one
set -eu

cd "$(dirname "$0")/.."
servers=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  servers="$servers $1"
  shift
done
[ $# -eq 0 ] || shift
[ -n "$servers" ] || servers="mariadb-11 mysql-9"
# shellcheck disable=SC2086 -- a list of words
scripts/other-servers.sh $servers
[ $# -gt 0 ] || set -- src/database/mysql test/mysql journal/mariadb journal/survive-mariadb journal/undo-databases \
  test/records engine/swap-lost engine/rows look/open-point look/compare platforms/mariadb
failed=
for server in $servers; do
  echo "== $server"
  HOLDFAST_TEST_SERVER=$server scripts/node scripts/test.ts "$@" || failed="$failed $server"
done
[ -z "$failed" ] || {
  echo "Tests failed on:$failed" >&2
  exit 1
}
