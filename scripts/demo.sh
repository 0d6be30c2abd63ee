#!/usr/bin/env bash
# The main job in a minute: an agent in a sandbox destroys a project, and everything comes back.
# Needs no API key, no virtual machine, and no root once the system packages are there.
# Usage: scripts/demo.sh [--agent qwen]; the agent is a script, or a real one whose model is a script.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

agent=rogue
case "$*" in
  "") ;;
  "--agent qwen") agent=qwen ;;
  *) fail "this is not understood: $*" "scripts/demo.sh [--agent qwen]" ;;
esac
need git:git bwrap:bubblewrap
need_python
environment=${checkout:?}/.venvs/demo
say "Setting up agsekit in .venvs/demo"
make_environment "$environment" "$(pythons | tail -n 1 | cut -d' ' -f2-)"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$checkout"
PATH=$environment/bin:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/agsekit-demo.XXXXXX")
watcher=
model=
clean_up() {
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
  [ -z "$model" ] || kill "$model" 2>/dev/null || true
  chmod -R u+rwX "$work" && rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
project=$work/project
store=$work/backups-project
export CONFIG_PATH=$work/config.yaml XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

show() {
  printf '\n\033[1m$ %s\033[0m\n' "$*" >&2
  "$@"
}

make_project() {
  mkdir -p "$project/src" "$project/empty folder"
  cd "$project"
  printf 'print("hello")\n' >src/main.py
  printf '*.log\n' >.gitignore
  git init --quiet
  git add .
  git -c user.name=demo -c user.email=demo@example.invalid commit --quiet -m "first"
  printf 'an idea that was never committed\n' >>src/main.py
  printf 'untracked\n' >todo.txt
  printf 'ignored by git, and still dear to me\n' >build.log
  printf 'odd\n' >$'odd name \n with a line break'
  printf 'odd\n' >'-rf'
  printf 'odd\n' >$'not \xff UTF-8'
  printf '#!/bin/sh\n' >run.sh
  chmod 750 run.sh
  chmod 600 todo.txt
  ln -s ../src/main.py src/link
  ln -s /etc/passwd outside
  cd - >/dev/null
}

# What the model of the real agent tells it: to work for a while, and then the same as scripts/demo-agent.sh does.
write_script() {
  cat >"$work/model.json" <<JSON
[
  {"read": "/home/ubuntu/project/src/main.py"},
  {"edit": "/home/ubuntu/project/src/main.py", "old": "hello", "new": "hello from a real agent"},
  {"create": "/home/ubuntu/project/notes.md", "text": "improved the greeting\\n"},
  {"edit": "/home/ubuntu/project/notes.md", "old": "improved", "new": "much improved"},
  {"shell": "touch .finished-editing; while [ -e .finished-editing ]; do sleep 0.1; done; sleep 2"},
  {"shell": "stat $HOME $store"},
  {"shell": "rm -rf -- ./* .[!.]*"}
]
JSON
}

start_model() {
  OPENAI_API_KEY=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' ')
  export OPENAI_API_KEY
  write_script
  "$environment/bin/python" "$checkout/tests/fakes/model_server.py" "$work/model.json" >"$work/model-url" &
  model=$!
  until [ -s "$work/model-url" ]; do
    kill -0 "$model" || fail "the model did not start"
    sleep 0.1
  done
}

stop_model() {
  [ -z "$model" ] || kill "$model"
  [ -z "$model" ] || wait "$model" 2>/dev/null || true
  model=
}

write_config() {
  cat >"$CONFIG_PATH" <<YAML
vms:
  box:
    engine: bubblewrap
mounts:
  - source: $project
    interval: 0.02        # minutes; this is a hurried demo
agents:
YAML
  [ $agent = rogue ] || cat >>"$CONFIG_PATH" <<YAML
  qwen:
    type: qwen
    default-args: [--approval-mode=yolo, --auth-type=openai]
    env:
      OPENAI_API_KEY: {env: OPENAI_API_KEY}
      OPENAI_BASE_URL: $(cat "$work/model-url")
      OPENAI_MODEL: scripted
      QWEN_CODE_SUPPRESS_YOLO_WARNING: "1"
YAML
  cat >>"$CONFIG_PATH" <<YAML
  rogue:
    type: custom
    command:
      - bash
      - -c
      - |
$(sed 's/^/        /' "$checkout/scripts/demo-agent.sh")
      - rogue
YAML
  chmod 600 "$CONFIG_PATH"
}

# Every path with its kind, mode, link target and content hash, in a form that can be compared.
fingerprint() {
  (cd "$project" && find . -mindepth 1 -printf '%p\0%y %m %l\0' | sort -z | tr '\0\n' '\n ' &&
    find . -type f -print0 | sort -z | xargs -0 sha256sum -b)
}

# Remember the state at the moment when the agent stops editing: this is what must come back.
remember_good_state() {
  until [ -e "$project/.finished-editing" ]; do
    [ -d "$project" ] || return 1
    sleep 0.05
  done
  rm "$project/.finished-editing"
  fingerprint >"$work/good"
  date -u +%Y%m%d-%H%M%S >"$work/good-time"
}

last_good_snapshot() {
  agsekit snapshots list --source-dir "$project" --json | python3 -c '
import json, sys
snapshots = json.load(sys.stdin)["snapshots"]
lost = next(number for number, each in enumerate(snapshots) if each["removed"] > 5)
print(snapshots[lost - 1]["id"])'
}

say "A sample project: its own .git, uncommitted, untracked and ignored files, links, odd names"
make_project
[ $agent = rogue ] || start_model
write_config
(cd "$project" && git status --short && ls -Ab)

if [ $agent = qwen ]; then
  say "Qwen Code, in a sandbox of its own"
  show agsekit install-agents qwen
fi

say "A rogue agent at full autonomy, in a sandbox"
remember_good_state &
watcher=$!
case $agent in
  rogue) show agsekit run rogue "$project" -- "$HOME" "$store" ;;
  qwen) show agsekit run qwen "$project" -- -p "Improve the greeting" ;;
esac
stop_model
wait "$watcher"
watcher=

say "What is left of the project: $(find "$project" -mindepth 1 | wc -l) files. And the snapshots:"
show agsekit snapshots list --source-dir "$project"

say "Going back to the last good snapshot"
show agsekit snapshots restore "$(last_good_snapshot)" --source-dir "$project" --yes

say "Proof: kinds, modes, link targets and SHA-256 of every file, before and after"
fingerprint >"$work/restored"
if ! diff "$work/good" "$work/restored"; then
  fail "the restored project differs from the one that was lost"
fi
printf 'identical: %s paths, %s of them files with the same SHA-256\n' \
  "$(find "$project" -mindepth 1 -printf . | wc -c)" "$(find "$project" -type f -printf . | wc -c)"
(cd "$project" && git fsck --no-progress && git log --oneline && git status --short | head -n 3)
if pgrep -f "$work" >/dev/null; then
  fail "something is still running: $(pgrep -af "$work")"
fi
say "Nothing was lost, and nothing is left running."
