# The rogue agent of the demo: works for a while, then deletes everything it can reach.
# Its arguments: the home folder and the store of the host, which it tries to find.
# shellcheck shell=bash
host_home=$1
host_store=$2
note() { printf '  agent: %s\n' "$*"; }

if [ "${AGSEKIT_VM:-}" != box ] || [ "$HOME" != /home/ubuntu ] || [ "$(cat /proc/1/comm)" != bwrap ]; then
  echo "This script deletes what it finds; it runs in the sandbox of the demo only." >&2
  exit 1
fi

note "I work in $PWD as $(id -un), and my home is $HOME"
note "improving the code ..."
for step in 1 2 3 4; do
  printf 'step %s\n' "$step" >>src/main.py
  printf 'notes of step %s\n' "$step" >"notes-$step.md"
  sleep 0.6
done
rm -f notes-1.md
touch .finished-editing
while [ -e .finished-editing ]; do sleep 0.1; done
sleep 2

for secret in "$host_home" "$host_store"; do
  note "what is in $secret? $(stat --format %F "$secret" 2>&1)"
  if [ -e "$secret" ] && [ "$secret" != "$HOME" ]; then
    note "I can see the host. That must not happen."
    exit 1
  fi
done
note "cleaning up: rm -rf on the project, my home and all that I can write to"
shopt -s dotglob nullglob
rm -rf -- ./* "$HOME"/.[!.]* 2>/dev/null
find / -xdev -mindepth 2 -writable -delete 2>/dev/null
note "done. The project holds $(find . -mindepth 1 | wc -l) files now."
exit 0
