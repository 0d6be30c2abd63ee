"""The few lines of shell that run inside a machine.

They get everything as arguments, never by pasting. What belongs to one run has its id in its name, in the
memory file system of the guest: `agsekit-ID.env.*` holds secrets until the agent has them, `agsekit-ID.run`
says which session the agent leads.
"""

from __future__ import annotations

SECRETS_MARK = "agsekit-secrets:"

STORE_SECRETS = r"""
for folder in /dev/shm "/run/user/$(id -u)"; do
  [ "$(stat -f -c %T "$folder" 2>/dev/null)" = tmpfs ] && [ -w "$folder" ] || continue
  file=$(mktemp "$folder/agsekit-$1.env.XXXXXXXXXX") || continue
  cat > "$file" || { rm -f "$file"; exit 1; }
  printf '\nagsekit-secrets:%s\n' "$file"
  exit 0
done
exit 3
"""
"""Arguments: the run id. Input: lines for the shell. Prints SECRETS_MARK and the file, which mktemp makes
private; 3: there is no file system in memory."""

FIND_PROGRAMS = r"""
case ":$PATH:" in
  *":$HOME/.local/bin:"*) ;;
  *) PATH="$HOME/.local/bin:$PATH" ;;
esac
"""
"""Has the folder on PATH where agents are installed, whatever the profile of the user says. Without arguments."""

START_AGENT = (
    FIND_PROGRAMS
    + r"""
record() {
  local status fields
  read -r status < /proc/$$/stat
  fields=(${status##*) })
  umask 077
  printf '%s %s\n' "${fields[3]}" "${fields[19]}" > "/dev/shm/agsekit-$1.run"
}
mounted() {
  local left=$1
  until mountpoint -q -- "$2"; do
    [ "$left" -gt 0 ] || return
    left=$((left - 1))
    sleep 1
  done
}
(record "$1") 2>/dev/null
[ -z "$7" ] || {
  (umask 077 && mkdir -p -- "$7") && chmod 700 -- "$7" || {
    [ -z "$6" ] || rm -f -- "$6"
    exit 125
  }
  export HOME="$7"
}
{ [ -z "$4" ] || mounted "$5" "$4"; } && cd -- "$2" 2>/dev/null || {
  [ -z "$6" ] || rm -f -- "$6"
  printf 'agsekit: %s\n' "$3" >&2
  exit 125
}
if [ -n "$6" ]; then
  exec 9< "$6" || exit 125
  rm -f -- "$6"
  . /dev/fd/9
  exec 9<&-
fi
export AGSEKIT_RUN_ID="$1"
shift 7
until [ "$1" = -- ]; do
  export -- "$1"
  shift
done
shift
exec -- "$@"
"""
)
"""For `bash -lc`. Arguments: run id, folder, what to say when it is missing, the mount to wait for or
nothing, the seconds to wait, file of secrets or nothing, a home of its own or nothing, variables that are no
secrets as `NAME=VALUE`, `--`, argv.

After a restart of the daemon a machine runs some seconds before its mounts are back. The session and the
start time of its leader are written down, so that a later process of the same number is not taken for it. No
variable is set once the secrets are: they may have any name.
"""

END_RUN = r"""
run=$1 record=/dev/shm/agsekit-$1.run
known=
list() {
  {
    [ -r "$record" ] && sed 's/^/session /' "$record"
    for token in $known; do echo "known $token"; done
    grep -lzxF -e "AGSEKIT_RUN_ID=$run" /proc/[0-9]*/environ 2>/dev/null |
      sed 's,^/proc/\([0-9]*\)/.*,marked \1,'
    cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) \([^ ]\) /process \1 \2 /p'
  } | awk '
    $1 == "session" { session = $2; since = $3 }
    $1 == "known" { known[$2] = 1 }
    $1 == "marked" { chosen[$2] = 1 }
    $1 == "process" && $3 != "Z" { parent[$2] = $4; of[$2] = $6; start[$2] = $22 }
    END {
      genuine = session > 1 && (!(session in start) || start[session] == since)
      for (pid in parent) {
        if (genuine && of[pid] == session && start[pid] >= since) chosen[pid] = 1
        if ((pid ":" start[pid]) in known) chosen[pid] = 1
      }
      do {
        more = 0
        for (pid in parent)
          if (!(pid in chosen) && (parent[pid] in chosen)) { chosen[pid] = 1; more = 1 }
      } while (more)
      for (pid in chosen) if (pid > 1) print pid ":" start[pid]
    }'
}
send() {
  pids=
  for token in $found; do pids="$pids ${token%%:*}"; done
  kill -s "$1" $pids 2>/dev/null || sudo -n kill -s "$1" $pids 2>/dev/null || :
}
found=$(list)
known=$found
if [ -n "$found" ]; then
  send TERM
  for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    sleep 0.1
    found=$(list)
    [ -n "$found" ] || break
    known="$known $found"
  done
fi
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  [ -n "$found" ] || break
  send KILL
  sleep 0.05
  found=$(list)
  known="$known $found"
done
rm -f -- "/dev/shm/agsekit-$run".* "/run/user/$(id -u)/agsekit-$run".*
[ -z "$found" ]
"""
"""Arguments: the run id. Ends every process of the run: marked ones, its session, and their descendants."""
