#!/usr/bin/env bash
# Installs what ops/packages.txt names and dpkg does not have. Does nothing, and needs no network, if all is there.
set -euo pipefail

list=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/packages.txt

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages: this is not a Debian system; install the equivalents of $list by hand" >&2
  exit 1
fi

installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
while read -r package; do
  if [[ $package == \?* ]]; then
    package=${package#\?}
    ! command -v "$package" >/dev/null || continue
  fi
  installed "$package" || missing+=("$package")
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$list")

if ((${#missing[@]} == 0)); then
  echo "install_packages: nothing is missing"
  exit 0
fi
echo "install_packages: missing: ${missing[*]}"

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "install_packages: root is needed. Run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Tests start servers of their own: Debian's package shall not create and start one beside them. Whoever had a server
# before keeps their settings.
if ! installed postgresql && [[ ! -e /usr/lib/postgresql ]]; then
  settings=/etc/postgresql-common/createcluster.conf
  if ! grep -qsE '^[[:space:]]*create_main_cluster' "$settings"; then
    "${as_root[@]}" mkdir -p "${settings%/*}"
    echo "create_main_cluster = false" | "${as_root[@]}" tee -a "$settings" >/dev/null
  fi
fi

"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get install -q -y --no-install-recommends \
  -o Dpkg::Options::=--force-confold "${missing[@]}"
