"""What a run leaves that the host would execute is found, by name and by the part of its content that matters."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from agsekit.protection.git_config import differs
from agsekit.protection.risky import KINDS, Risk, find_risky
from agsekit_storage.changes import compare_stored
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from agsekit_storage.textdiff import stored_content
from tests.support.world import write_files


class Run:
    """The folder before and after: what `find` returns is what is risky about everything in between."""

    def __init__(self, store: Store) -> None:
        self._store = store
        assert store.source
        self.source = store.source

    def begin(self) -> None:
        self._take()

    def _take(self) -> None:
        take_snapshot(self._store, Request("manual"), now=time.time())

    def found(self) -> list[Risk]:
        self._take()
        before, after = self._store.snapshots()[-2:]
        trees = self._store.tree(before), self._store.tree(after)
        contents = stored_content(self._store, before), stored_content(self._store, after)
        return find_risky(compare_stored(*trees), *trees, *contents)

    def kinds(self) -> dict[str, str]:
        return {os.fsdecode(each.path): f"{each.kind} {each.status}" for each in self.found()}


@pytest.fixture
def run(store: Store) -> Run:
    return Run(store)


def test_each_kind_of_file_is_known_by_its_name_at_any_depth(run: Run) -> None:
    write_files(run.source, {"readme": "x"})
    run.begin()
    expected = {
        ".git/hooks/pre-commit": "git-hook new",
        "sub/.git/modules/lib/hooks/post-checkout": "git-hook new",
        ".husky/pre-push": "git-hook new",
        "sub/.git/config": "git-config new",
        "linked/.git": "git-config new",
        ".git/info/attributes": "git-attributes new",
        ".envrc": "shell new",
        "sub/.vscode/tasks.json": "editor new",
        "x.code-workspace": "editor new",
        ".idea/runConfigurations/all.xml": "editor new",
        ".devcontainer/devcontainer.json": "editor new",
        ".pre-commit-config.yaml": "git-checks new",
        ".npmrc": "package-manager new",
        "native/binding.gyp": "package-manager new",
        "lib/sitecustomize.py": "python-start new",
        ".claude/settings.json": "agent new",
        ".github/workflows/ci.yml": "ci new",
        "Jenkinsfile": "ci new",
    }
    write_files(run.source, dict.fromkeys(expected, "filter=x\n[core]\nfsmonitor = x\n"))
    write_files(run.source, {"Makefile": "all:", "src/main.py": "1", ".git/hooks/a.sample": "1", ".git/HEAD": "ref"})
    (run.source / ".git/hooks/a.sample").chmod(0o755)

    assert run.kinds() == expected


def test_names_count_whatever_their_case_for_some_file_systems_do_not_tell(run: Run) -> None:
    write_files(run.source, {"readme": "x"})
    run.begin()
    write_files(run.source, {".GIT/Hooks/pre-commit": "x", ".VSCode/Tasks.json": "x"})

    assert set(run.kinds().values()) == {"git-hook new", "editor new"}


def test_of_a_package_only_its_scripts_count(run: Run) -> None:
    write_files(
        run.source,
        {
            "a/package.json": '{"version": "1", "scripts": {"test": "jest"}}',
            "b/package.json": '{"scripts": {"test": "jest"}}',
            "c/package.json": '{"scripts": {"test": "jest"}}',
        },
    )
    run.begin()
    write_files(
        run.source,
        {
            "a/package.json": '{"version": "2", "scripts": {"test": "jest"}}',
            "b/package.json": '{"scripts": {"test": "jest", "postinstall": "curl"}}',
            "c/package.json": "[" * 100_000,
            "d/package.json": '{"name": "d"}',
        },
    )

    assert run.kinds() == {"b/package.json": "npm-scripts changed", "c/package.json": "npm-scripts changed"}


def test_what_became_executable_counts_and_what_was_so_before_does_not(run: Run) -> None:
    write_files(run.source, {"tool": "1", "script": "1"})
    (run.source / "tool").chmod(0o755)
    run.begin()
    write_files(run.source, {"tool": "another", "new": "1"})
    for name in ("script", "new"):
        (run.source / name).chmod(0o744)

    assert run.kinds() == {"new": "executable new", "script": "executable changed"}


def test_a_link_counts_when_it_leads_out_of_the_project(run: Run) -> None:
    run.begin()
    (run.source / "sub").mkdir()
    for name, target in (
        ("in", "sub"),
        ("sub/up", "../in"),
        ("out", "../other"),
        ("abs", "/etc"),
        ("sub/o", "a/../../../x"),
    ):
        (run.source / name).symlink_to(target)

    assert run.kinds() == dict.fromkeys(("abs", "out", "sub/o"), "link-out new")


def test_a_link_in_the_place_of_a_folder_of_such_files_counts_wherever_it_leads(run: Run) -> None:
    write_files(run.source, {"data/pre-commit": "x", "data/tasks.json": "{}", "data/config": "[core]\nfsmonitor = x"})
    write_files(run.source, {".git/HEAD": "ref"})
    run.begin()
    expected = {
        ".git/hooks": "git-hook new",
        ".git/info": "git-attributes new",
        ".git/modules": "git-hook new",
        ".husky": "git-hook new",
        ".vscode": "editor new",
        ".idea": "editor new",
        ".zed": "editor new",
        ".devcontainer": "editor new",
        ".yarn": "package-manager new",
        ".cargo": "package-manager new",
        ".claude": "agent new",
        ".cursor": "agent new",
        ".codex": "agent new",
        ".github": "ci new",
        ".gitlab": "ci new",
        ".circleci": "ci new",
    }
    for name in [*expected, "harmless", "other"]:
        (run.source / name).symlink_to("../" * name.count("/") + "data")

    assert run.kinds() == expected


def test_installed_packages_are_named_as_one_but_hide_nothing_that_runs_by_itself(run: Run) -> None:
    run.begin()
    write_files(
        run.source,
        {
            ".venv/pyvenv.cfg": "home",
            ".venv/lib/x.pth": "import os",
            ".venv/bin/activate": "x",
            "node_modules/a/package.json": '{"scripts": {"x": "y"}}',
            "node_modules/a/node_modules/b/index.js": "x",
            "node_modules/.git/hooks/pre-commit": "x",
        },
    )
    (run.source / ".venv/bin/python").symlink_to("/usr/bin/python3")

    assert run.kinds() == {
        ".venv": "packages new",
        "node_modules": "packages new",
        "node_modules/.git/hooks/pre-commit": "git-hook new",
    }


def test_a_bare_repository_and_a_folder_of_hooks_of_ones_own_count_as_git_does(run: Run) -> None:
    write_files(run.source, {".git/config": '[core]\n\thooksPath = "tools/hooks"\n'})
    run.begin()
    bare = run.source / "data"
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(run.source.parent)}
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True, env=environment, cwd="/")
    write_files(bare, {"config": "[core]\nfsmonitor = evil\n", "hooks/pre-commit": "x"})
    write_files(run.source, {"tools/hooks/pre-push": "x"})
    write_files(run.source, {"one/HEAD": "ref: x", "one/commondir": "../two", "one/hooks/pre-push": "x"})
    write_files(run.source, {"two/objects/x": "x", "two/refs/x": "x", "two/config": "[core]\nfsmonitor = evil\n"})

    assert run.kinds() == {
        "one/hooks/pre-push": "git-hook new",
        "two/config": "git-config new",
        "data/config": "git-config new",
        "data/hooks/pre-commit": "git-hook new",
        "tools/hooks/pre-push": "git-hook new",
    }


def test_what_runs_soonest_is_told_first(run: Run) -> None:
    run.begin()
    write_files(run.source, {".git/hooks/pre-commit": "x", ".github/workflows/x.yml": "x", "a": "x"})
    (run.source / "a").chmod(0o755)
    (run.source / "link").symlink_to("/etc")

    found = [each.kind for each in run.found()]

    assert found == sorted(found, key=KINDS.index)
    assert found[0] == "git-hook"


def test_a_tree_made_to_be_slow_is_judged_all_the_same(run: Run) -> None:
    run.begin()
    folder = run.source
    for _ in range(400):
        folder = folder / ".git"
    os.makedirs(folder)
    write_files(folder, {"hooks/x": "x", "config": "\\\n" * 1000 + "a" * 2_000_000})

    assert len(run.found()) == 2


PLAIN = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n"


@pytest.mark.parametrize(
    "added",
    [
        b'[branch "x"]\n\tremote = origin\n\tmerge = refs/heads/x\n',
        b'[remote "origin"]\n\turl = https://example.org/x.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n',
        b'[remote "o"]\nurl = git@example.org:me/x.git\n[user]\nname = Me\nemail = me@example.org\n',
        b"# a comment\n\n; another\n",
    ],
)
def test_everyday_changes_of_gits_configuration_do_not_count(added: bytes) -> None:
    assert not differs(PLAIN, PLAIN + added)


@pytest.mark.parametrize(
    "added",
    [
        b"\tfsmonitor = x\n",
        b"[core] hooksPath = x\n",
        b"[CORE]\nHooksPath=x\n",
        b'[filter "x"]\nclean = x\n',
        b'[alias]\nst = "!x"\n',
        b"[include]\npath = x\n",
        b'[remote "o"]\nurl = ext::sh -c x\n',
        b'[remote "o"]\nurl = -oProxyCommand=x\n',
        b'[remote "o"]\nuploadpack = x\n',
        b'[branch "x"]\nremote = ext::sh\n',
        b'[core]\nx = \\\n[branch "a"]\nmerge = 1\n',
        b'[branch "]\nfsmonitor = x\n',
        b"[branch.x]\nfsmonitor = x\n",
        b"\0[branch]\n",
    ],
)
def test_whatever_else_changes_in_gits_configuration_counts(added: bytes) -> None:
    assert differs(PLAIN, PLAIN + added)
