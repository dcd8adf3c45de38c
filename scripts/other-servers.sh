#!/bin/sh
# Fetches servers that this Debian has not, from Debian's other suites, and unpacks them with all their libraries into a
# folder of the tests' own: nothing is installed. HOLDFAST_TEST_SERVER then names one of them for the tests.
#
#     scripts/other-servers.sh mariadb-11 mysql-9
set -eu

servers="$(cd "$(dirname "$0")/.." && pwd -P)/node_modules/.cache/holdfast/servers"

# Where this machine has its Debian from, whichever way its sources are written.
mirror() {
  listed() { apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Label: Debian" "Component: main" | head -n 1; }
  # A new machine has no lists yet.
  [ -n "$(listed)" ] || apt-get update --quiet=2 </dev/null
  listed
}

fetch() { # SUITE FOLDER PACKAGE...: unpacks the packages and what they need, checked by Debian's signatures
  suite=$1
  into=$2
  shift 2
  apt=$(mktemp -d)
  trap 'rm -rf "$apt"' EXIT
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >"$apt/sources.list"
  # As if no package were installed, so that libraries come along down to the C library.
  run_apt() {
    apt-get --quiet=2 -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" \
      -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Acquire::Languages=none \
      -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false -o Debug::NoLocking=true "$@" </dev/null
  }
  run_apt update
  run_apt --download-only --yes install "$@" >/dev/null
  mkdir -p "$into"
  for package in "$apt"/archives/*.deb; do
    case ${package##*/} in perl* | libperl* | *-base_* | *-common_*) ;; *) dpkg -x "$package" "$into" ;; esac
  done
  rm -rf "$apt" "$into/usr/share/doc" "$into/usr/share/man"
}

# Each program is started by the C library that it came with.
wrap() { # FOLDER PROGRAM...
  root=$1
  shift
  for program in "$@"; do
    mv "$root/usr/$program" "$root/usr/$program.bin"
    cat >"$root/usr/$program" <<'END'
#!/bin/sh
usr=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P)
libraries=$(echo "$usr"/lib/*-linux-gnu)
exec "$libraries"/ld-linux-*.so.* --library-path "$libraries" "$(readlink -f "$0").bin" "$@"
END
    chmod +x "$root/usr/$program"
  done
}

for name in "$@"; do
  case $name in
    mariadb-11) suite=trixie packages="mariadb-server-core mariadb-client-core" programs="sbin/mariadbd bin/mariadb bin/my_print_defaults bin/resolveip" ;;
    # Only unstable has it.
    mysql-9) suite=sid packages="mysql-server-core mysql-client-core" programs="sbin/mysqld bin/mysql" ;;
    *)
      echo "There is no server $name; there are: mariadb-11 mysql-9" >&2
      exit 1
      ;;
  esac
  [ ! -e "$servers/$name" ] || continue
  echo "Fetching $name for the tests" >&2
  rm -rf "$servers/$name.new"
  # shellcheck disable=SC2086 -- lists of words
  fetch "$suite" "$servers/$name.new" $packages
  # shellcheck disable=SC2086
  wrap "$servers/$name.new" $programs
  mv "$servers/$name.new" "$servers/$name"
done
