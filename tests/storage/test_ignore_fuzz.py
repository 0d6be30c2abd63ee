"""The matcher against the real git, on random trees with random rules."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agsekit_storage.ignore import IGNORE_FILE, IgnoreRules, Verdict

NAMES = [
    b"a", b"b", b"ab", b"abc", b"A", b"a.b", b".x", b"a b", b"a ", b"[", b"]", b"*", b"\\", b"\\a", b"a\\",
    b"#x", b"!x", b"-", b"\xc3\xa9", b"\xff", b"a\nb", b"a\r", b"**", b"[a]", b"?", b"^", b":", b"\t", b"1",
]  # fmt: skip
PIECES = [
    b"a", b"b", b"ab", b"*", b"**", b"***", b"?", b"/", b"/", b"/**", b"**/", b"/**/", b"\\", b"\\*", b"\\/",
    b"[", b"]", b"[ab]", b"[!a]", b"[^a]", b"[a-c]", b"[]a]", b"[!]a]", b"[a", b"[a-", b"[-a]", b"[a\\]b]",
    b"[[:alpha:]]", b"[[:punct:][:digit:]]", b"[[:foo:]]", b"[[:a]", b"[^[:space:]]", b"[a/b]", b"[\\a-c]",
    b"[[a]", b"[--0]", b"[*]", b"[\xc3\xa9]", b"\xc3\xa9", b"\xff", b" ", b"\\ ", b"#", b"!", b"\t", b".",
    b"x", b"\r", b"-", b"^", b":", b"c", b"1", b"\0",
]  # fmt: skip
FOLDER_NAMES = [b"a", b"b", b"ab", b".x", b"a b", b"\xc3\xa9", b"[a]", b"*", b"a\\"]

# Until 2025, git took the `**` of `/a**/b` for one that stands for whole components, against its manual.
MISREAD_BY_OLD_GIT = re.compile(rb"!?/?[^*?\[\\]*[^*?\[\\/]\*\*+(?:/|\\/|[ \r]*(?:\0|$))")

SEEDS = range(int(os.environ.get("AGSEKIT_FUZZ_BATCHES", "6")))
"""Each stands for 30 to 50 trees; the environment can ask for more."""

Tree = dict[bytes, bool]
"""Paths relative to the source; true for folders."""


def random_tree(random_: random.Random) -> Tree:
    tree: Tree = {}
    folders = [b""]
    for _ in range(random_.randint(1, 6)):
        parent = random_.choice(folders)
        folder = join(parent, random_.choice(FOLDER_NAMES))
        if folder.count(b"/") < 4:
            tree[folder] = True
            folders.append(folder)
    for _ in range(random_.randint(3, 25)):
        tree.setdefault(join(random_.choice(folders), random_.choice(NAMES)), False)
    return tree


def random_line(random_: random.Random, tree: Tree) -> bytes:
    kind = random_.random()
    if kind < 0.5:
        line = b"".join(random_.choices(PIECES, k=random_.randint(1, 5)))
    else:
        components = random_.choice(list(tree)).split(b"/")
        components = components[random_.randrange(len(components)) if kind < 0.7 else 0 :]
        for position, component in enumerate(components):
            if random_.random() < 0.4:
                components[position] = vary(random_, component)
        line = b"/".join(components) + random_.choice([b"", b"", b"/", b"/*", b"/**", b" ", b"\r"])
    return random_.choice([b"", b"", b"", b"", b"/", b"**/"]) + line


def vary(random_: random.Random, name: bytes) -> bytes:
    at = random_.randrange(len(name))
    byte = name[at : at + 1]
    piece = random_.choice([b"*", b"?", b"[" + byte + b"x]", b"[!x]", b"**", b"\\" + byte])
    return random_.choice([b"*", b"**", name[:at] + piece + name[at + 1 :], name[:at] + b"*" + name[at:]])


def random_lines(random_: random.Random, tree: Tree) -> list[bytes]:
    lines = []
    for _ in range(random_.randint(1, 6)):
        line = (b"!" if random_.random() < 0.3 else b"") + random_line(random_, tree)
        if MISREAD_BY_OLD_GIT.match(line) is None and b"\n" not in line:
            lines.append(line)
    return lines


def random_files(random_: random.Random, tree: Tree) -> dict[bytes, bytes]:
    folders = [b"", *(path for path, is_folder in tree.items() if is_folder and random_.random() < 0.3)]
    return {
        folder: random_.choice([b"", b"", b"\xef\xbb\xbf"])
        + random_.choice([b"\n", b"\n", b"\r\n"]).join(random_lines(random_, tree))
        + random_.choice([b"", b"\n"])
        for folder in folders
    }


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def write_tree(root: bytes, tree: Tree, files: Mapping[bytes, bytes]) -> None:
    os.mkdir(root)
    for path, is_folder in tree.items():
        if is_folder:
            os.makedirs(root + b"/" + path, exist_ok=True)
    for path, is_folder in tree.items():
        if not is_folder:
            os.close(os.open(root + b"/" + path, os.O_CREAT | os.O_WRONLY))
    for folder, content in files.items():
        with open(join(join(root, folder), IGNORE_FILE), "wb") as stream:
            stream.write(content)


def git(folder: Path, *arguments: str, feed: bytes = b"", codes: Sequence[int] = (0,)) -> list[bytes]:
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    result = subprocess.run(
        ["git", *arguments], cwd=folder, input=feed, capture_output=True, env=environment, check=False
    )
    assert result.returncode in codes, result.stderr
    return result.stdout.split(b"\0")[:-1]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def included_paths(rules: IgnoreRules, tree: Tree) -> set[bytes]:
    """Return what a walk would include that enters only the folders it is told to."""
    included = set()
    entered = {b"": rules.root()}
    for path in sorted(tree):
        folder, _, name = path.rpartition(b"/")
        if folder in entered:
            verdict = entered[folder].judge(name, tree[path])
            if verdict is Verdict.INCLUDE:
                included.add(path)
            if tree[path] and verdict is not Verdict.IGNORE:
                entered[path] = entered[folder].enter(name)
    return included


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_included_is_what_git_lists(repository: Path, seed: int) -> None:
    random_ = random.Random(seed)
    cases = {}
    for number in range(50):
        tree = random_tree(random_)
        cases[b"%d" % number] = tree, random_files(random_, tree)
        write_tree(os.fsencode(repository) + b"/%d" % number, *cases[b"%d" % number])

    per_folder = "--exclude-per-directory=" + os.fsdecode(IGNORE_FILE)
    listed = set(git(repository, "ls-files", "-o", "-z", per_folder))

    for prefix, (tree, files) in cases.items():
        by_git = {path for path in tree if not tree[path] and prefix + b"/" + path in listed}
        by_us = included_paths(IgnoreRules.compile([], files), tree)
        by_us = {path for path in by_us if not tree[path] and not is_below_ignored(path, by_us, tree)}
        assert by_us == by_git, (tree, files)


def is_below_ignored(path: bytes, included: set[bytes], tree: Tree) -> bool:
    """Tell whether it takes our extension to include `path`: git never looks below an ignored folder."""
    parts = path.split(b"/")
    return any(b"/".join(parts[:length]) not in included for length in range(1, len(parts)))


def matched_by_git(repository: Path, questions: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[set[bytes]]:
    """Return for each pattern which of its paths it matches by itself, whatever becomes of their folders."""
    asked = []
    for number, (pattern, paths) in enumerate(questions):
        (repository / str(number)).mkdir()
        # git goes on below a folder that a negation matches, so every path gets its own answer.
        (repository / str(number) / ".gitignore").write_bytes(b"!" + pattern)
        asked += [b"%d/%s\0" % (number, path) for path in paths]
    options = ["check-ignore", "--no-index", "-v", "-n", "-z", "--stdin"]
    answers = git(repository, *options, feed=b"".join(asked), codes=(0, 1))
    matched: list[set[bytes]] = [set() for _ in questions]
    for source, path in zip(answers[0::4], answers[3::4]):
        if source:
            number_text, _, inner = path.partition(b"/")
            matched[int(number_text)].add(inner)
    return matched


def matched_by_us(pattern: bytes, tree: Tree) -> set[bytes]:
    return included_paths(IgnoreRules.compile([], {b"": b"*\n!" + pattern}), tree)


def with_parents(paths: Sequence[bytes]) -> Tree:
    tree = dict.fromkeys(paths, False)
    for path in paths:
        parts = path.split(b"/")
        tree.update({b"/".join(parts[:length]): True for length in range(1, len(parts))})
    return tree


def compare_patterns(repository: Path, patterns: Sequence[bytes], paths: Sequence[bytes]) -> None:
    tree = with_parents(paths)
    files = [path for path in tree if not tree[path]]
    by_git = matched_by_git(repository, [(pattern, files) for pattern in patterns])
    for pattern, expected in zip(patterns, by_git):
        assert matched_by_us(pattern, tree).intersection(files) == expected, pattern


def test_character_classes_have_the_members_that_git_gives_them(repository: Path) -> None:
    kinds = [b"alnum", b"alpha", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct"]
    kinds += [b"space", b"upper", b"xdigit", b"word"]
    classes = [b"[[:%s:]]" % kind for kind in kinds]
    classes += [b"[^[:alpha:]]", b"[!-~]", b"[ -z]", b"[z-a]", b"[\\]-a]", b"[a-\\z]", b"[]-a]", b"[!]-a]"]
    classes += [b"[[:a]", b"[[:]", b"[[::]", b"[[::]]", b"[[:alpha:]-z]", b"[a-[:digit:]]", b"[\x80-\xff]"]
    classes += [b"[a-]", b"[a-]]", b"?"]

    names = [bytes([byte]) for byte in range(1, 256) if byte != ord("/") and byte != ord(".")]
    compare_patterns(repository, classes, names)


def test_stars_span_what_git_lets_them_span(repository: Path) -> None:
    components = [b"a", b"**", b"*", b"***", b"a*", b"*b", b"?**", b"**b", b"*a*"]
    patterns = []
    for first in components:
        for second in components:
            for slash in (b"/", b"\\/"):
                patterns += [first + slash + second, b"/" + first + slash + second]
                patterns += [first + slash + second + slash + third for third in (b"b", b"**", b"a*b")]
    patterns = [pattern for pattern in patterns if MISREAD_BY_OLD_GIT.match(pattern) is None]

    names = [b"a", b"b", b"ab", b"ba"]
    paths = [b"f-" + name for name in names]
    for first in names:
        for second in names:
            paths += [b"%s/%s/f" % (first, second), b"%s/%s/%s" % (first, second, first + b"b")]
            paths += [b"%s/x/%s/%s.f" % (first, second, first), b"x%s/%s" % (first, second)]
    compare_patterns(repository, patterns, paths)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pattern_matches_what_git_matches_with_it(repository: Path, seed: int) -> None:
    random_ = random.Random(seed)
    trees = [random_tree(random_) for _ in range(4)]
    paths = [path for tree in trees for path in tree]
    patterns = [line.lstrip(b"!") for _ in range(40) for tree in trees for line in random_lines(random_, tree)]

    compare_patterns(repository, patterns, paths)


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_follow_from_single_matches_as_documented(repository: Path, seed: int) -> None:
    random_ = random.Random(seed)
    cases = []
    questions: list[tuple[bytes, Sequence[bytes]]] = []
    for _ in range(30):
        tree = random_tree(random_)
        lists = {folder: plain_lines(random_, tree) for folder in [b"", *(p for p in tree if tree[p])]}
        exclude = plain_lines(random_, tree) if random_.random() < 0.4 else []
        ranked: list[tuple[bytes | None, bytes]] = [
            (folder, line) for folder in sorted(lists, key=depth) for line in lists[folder]
        ]
        ranked += [(None, line) for line in exclude]
        cases.append((tree, lists, exclude, ranked))
        for folder, line in ranked:
            below = [path for path in tree if is_below(path, folder or b"")]
            pattern = line.lstrip(b"!").rstrip(b"/") if line.endswith(b"/") else line.lstrip(b"!")
            questions.append((pattern, [path[len(folder) + 1 if folder else 0 :] for path in below]))

    answers = iter(matched_by_git(repository, questions))

    for tree, lists, exclude, ranked in cases:
        matches = [{join(folder or b"", path) for path in next(answers)} for folder, _ in ranked]
        rules = IgnoreRules.compile(exclude, {folder: b"\n".join(lines) for folder, lines in lists.items()})
        assert included_paths(rules, tree) == documented(tree, ranked, matches), (tree, lists, exclude)


def plain_lines(random_: random.Random, tree: Tree) -> list[bytes]:
    """Lines without what belongs to the file rather than to the pattern: comments, trimming, `!!`."""
    wanted = re.compile(rb"(!(?!!))?[^#!\0\r\n]*[^ \0\r\n/\\]/?")
    return [line for line in random_lines(random_, tree) if wanted.fullmatch(line)]


def depth(folder: bytes) -> int:
    return folder.count(b"/") + bool(folder)


def is_below(path: bytes, folder: bytes) -> bool:
    return not folder or path.startswith(folder + b"/")


def documented(tree: Tree, ranked: Sequence[tuple[bytes | None, bytes]], matches: Sequence[set[bytes]]) -> set[bytes]:
    """Decide the way the documentation words it, slowly."""
    ignored_by = {b"": -1}
    for path in sorted(tree):
        outer = ignored_by[path.rpartition(b"/")[0]]
        own = -1
        for rank, (folder, line) in enumerate(ranked):
            heeded = folder is None or (is_below(path, folder) and ignored_by[folder] < 0)
            if heeded and path in matches[rank] and (tree[path] or not line.endswith(b"/")):
                own = rank
        if own >= 0 and ranked[own][1].startswith(b"!"):
            ignored_by[path] = -1 if own > outer else outer
        else:
            ignored_by[path] = max(own, outer)
    return {path for path in tree if ignored_by[path] < 0}
