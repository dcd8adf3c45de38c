#!/bin/sh
# Installs from Debian what the tests need and this machine lacks. Changes nothing when all is there.
set -eu

missing=
need() { # PACKAGE COMMAND...: the package is missing when the command fails
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
tryton() { /usr/bin/python3 -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)"; }

need restic restic version
need sqlite3 sqlite3 -version
need attr command -v setfattr
# The server alone: this package has no service that would start.
need mariadb-server-core mariadbd --version
need mariadb-client mariadb-dump --version
need tryton-server tryton trytond
need tryton-modules-party tryton trytond.modules.party
need tryton-modules-sale-opportunity tryton trytond.modules.sale_opportunity
[ "${1:-}" != --bench ] || need borgbackup borg --version

[ -n "$missing" ] || exit 0
install="apt-get install --yes --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
  echo "The tests need these Debian packages, or the same from elsewhere:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "The tests need packages that are not installed. Run this as root, then again what you ran: apt-get update && $install" >&2
  exit 1
fi
echo "Installing what the tests need:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2 </dev/null
# shellcheck disable=SC2086 -- a list of words
$install --quiet=2 </dev/null
