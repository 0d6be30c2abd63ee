"""What is done inside a machine, as a few lines of shell that get everything as arguments."""

from __future__ import annotations

PACKAGES = ("rsync", "git", "proxychains4", "sshfs")
"""What agsekit needs inside. Each is a package of Debian and Ubuntu, and a program of the same name."""

PREPARE = r"""
key=$1 proxy=$2
shift 2
folder=$HOME/.ssh
if ! grep -qxF -- "$key" "$folder/authorized_keys" 2>/dev/null; then
  mkdir -p -m 700 "$folder" && printf '%s\n' "$key" >> "$folder/authorized_keys" &&
    chmod 600 "$folder/authorized_keys" && echo "did key"
fi
missing=
for program in "$@"; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
  export DEBIAN_FRONTEND=noninteractive
  if command -v apt-get >/dev/null; then
    apt() {
      sudo -n -E apt-get ${proxy:+-o "Acquire::http::Proxy=$proxy" -o "Acquire::https::Proxy=$proxy"} "$@" >&2
    }
    apt update && apt install -y $missing
  fi
  for program in $missing; do
    command -v "$program" >/dev/null && echo "did $program" || echo "failed $program"
  done
fi
if command -v snap >/dev/null && ! snap list multipass-sshfs >/dev/null 2>&1; then
  sudo -n snap install multipass-sshfs >&2 && echo "did multipass-sshfs" || echo "failed multipass-sshfs"
fi
exit 0
"""
"""Arguments: the public key, a proxy for apt or nothing, then the programs that have to be there.

Prints `did NAME` for what was missing and is there now, `failed NAME` for what still is missing. Mounts need a `snap`
command inside and that snap, whatever else is installed; Multipass installs the snap itself at the first mount, if
there is a network then.
"""

HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"

CHECK = r"""
date +%s
for target in "$@"; do
  if ! mountpoint -q -- "$target"; then
    printf 'missing %s\n' "$target"
  elif ! first=$(timeout 10 ls -A -- "$target" 2>/dev/null); then
    printf 'dead %s\n' "$target"
  elif [ -z "$first" ]; then
    printf 'empty %s\n' "$target"
  fi
done
exit 0
"""
"""Arguments: the targets of mounts. Prints the time in seconds since 1970, then a line for each target that is no
mount, cannot be read, or shows nothing."""

SET_CLOCK = ("sudo", "-n", "date", "-u", "-s")
"""Followed by `@SECONDS`."""
