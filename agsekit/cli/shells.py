"""The command `completion`: what makes a shell complete the words of agsekit."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import render
from agsekit.cli.completion import FILES, FOLDERS, SHELLS
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.errors import UsageError
from agsekit.i18n import _

# The command is always the one on PATH: `./agsekit` in a folder of an agent must not run because a key was pressed.
_BASH = f"""\
_agsekit() {{
    local line current=${{COMP_WORDS[COMP_CWORD]}}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            {FILES}) compopt -o default -o filenames 2>/dev/null ;;
            {FOLDERS})
                compopt -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current")
                ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(command agsekit __complete bash "$COMP_CWORD" "${{COMP_WORDS[@]}}" 2>/dev/null)
}}
complete -o nosort -F _agsekit agsekit 2>/dev/null || complete -F _agsekit agsekit
"""
_ZSH = f"""\
#compdef agsekit
_agsekit() {{
    local line
    local -a values notes
    command agsekit __complete zsh $((CURRENT - 1)) "${{(@Q)words}}" 2>/dev/null | while IFS= read -r line; do
        case $line in
            {FILES}) _files ;;
            {FOLDERS}) _files -/ ;;
            *)
                values+=("${{line%%$'\t'*}}")
                notes+=("${{line/$'\t'/  -- }}")
                ;;
        esac
    done
    (( $#values )) && compadd -V agsekit -l -d notes -a values
}}
if [[ $funcstack[1] == _agsekit ]]; then _agsekit "$@"; else compdef _agsekit agsekit; fi
"""
_FISH = f"""\
function __agsekit_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l index (count (commandline -opc))
    command agsekit __complete fish $index $words 2>/dev/null | while read -l line
        switch $line
            case {FILES}
                __fish_complete_path (commandline -ct)
            case {FOLDERS}
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c agsekit -f -k -a '(__agsekit_complete)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@page(
    _("Prints what the shell has to read; with --install puts it where the shell looks for it."),
    (_("Install it for the shell that you use"), "agsekit completion --install"),
    (_("Write it where a shell of your own looks"), "agsekit completion zsh > ~/.zfunc/_agsekit"),
)
def completion(
    ctx: typer.Context,
    shell: Annotated[
        Optional[str], typer.Argument(metavar="SHELL", help=_("bash, zsh or fish; else what $SHELL says."))
    ] = None,
    install: Annotated[bool, typer.Option("--install", help=_("Write it into your home folder."))] = False,
) -> None:
    """Have a shell complete commands, options and names."""
    context = context_of(ctx)
    name = shell or Path(context.environment.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(
            _("there is no completion for the shell {name}").format(name=repr(name)),
            hint=_("name one of: {names}").format(names=", ".join(SHELLS)),
        )
    if not install:
        render.result(_SCRIPTS[name].rstrip("\n"))
        return
    path = _place(context, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPTS[name], encoding="utf-8")
    render.result(_("Wrote {path}. It works in every shell opened from now on.").format(path=render.safe(str(path))))
    if name == "bash":
        render.say(_("Unless the package bash-completion is installed, add this line to ~/.bashrc:"))
        render.say('  eval "$(agsekit completion bash)"')
    if name == "zsh":
        render.say(_("Unless it is there already, add this line to ~/.zshrc, before `compinit`:"))
        render.say(f"  fpath=({path.parent} $fpath)")


def _place(context: Context, shell: str) -> Path:
    """Return where a shell looks for the completion of `agsekit`."""
    data = Path(context.environment.get("XDG_DATA_HOME") or context.home / ".local/share")
    config = Path(context.environment.get("XDG_CONFIG_HOME") or context.home / ".config")
    return {
        "bash": data / "bash-completion/completions/agsekit",
        "fish": config / "fish/completions/agsekit.fish",
        "zsh": context.home / ".zfunc/_agsekit",
    }[shell]
