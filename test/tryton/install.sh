#!/bin/sh
# Installs Tryton from Debian's packages where it is missing: what test/tryton needs.
set -eu
packages="tryton-server tryton-modules-party tryton-modules-sale-opportunity"

missing() {
  for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

needed=$(missing)
if [ -n "$needed" ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -q
  # shellcheck disable=SC2086 -- a list of names
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $needed
fi
/usr/bin/python3 -c "import trytond.modules.sale_opportunity"
