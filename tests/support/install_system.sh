#!/usr/bin/env bash
# Installs what the tests need of the system (Debian's packages), if it is not there. Fails loudly: a test whose server
# cannot be started must not pass by absence.
set -euo pipefail
wanted=()
command -v prometheus >/dev/null || wanted+=(prometheus)
command -v amtool >/dev/null || wanted+=(prometheus-alertmanager)
command -v strace >/dev/null || wanted+=(strace)
command -v faketime >/dev/null || wanted+=(faketime)
command -v redis-server >/dev/null || wanted+=(redis-server)
# The proxy whose configuration we ship.
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || wanted+=(nginx-light)
# The browser that opens our page; node drives it (web/node_modules/playwright-core).
command -v chromium >/dev/null || wanted+=(chromium)
# Postgres 15 or newer; Debian keeps its programs out of the PATH.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || wanted+=(postgresql)
[ ${#wanted[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "These Debian packages are needed; install them as root: apt-get install ${wanted[*]}" >&2
  exit 1
fi
# No service of these packages is to be started here: the tests start their own, on their own ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
# Nor is a cluster to be made: ours live in temporary folders.
if [[ " ${wanted[*]} " == *" postgresql "* ]]; then
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
