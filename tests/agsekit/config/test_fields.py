from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from agsekit.config import fields
from agsekit.config.model import Address, Proxy

HOME = Path("/home/someone")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 * 1024**3),
        ("4096M", 4 * 1024**3),
        ("4GiB", 4 * 1024**3),
        ("4GB", 4 * 1024**3),
        ("4g", 4 * 1024**3),
        ("1.5G", 1536 * 1024**2),
        ("1T", 1024**4),
        ("131072K", 128 * 1024**2),
        ("134217728", 128 * 1024**2),
    ],
)
def test_ram_is_read_in_bytes_with_units_of_1024(text: str, size: int) -> None:
    assert fields.parse_ram(text) == size


@pytest.mark.parametrize(
    "text", ["", "4", "127M", "4X", "G", "-4G", "4GG", "1_000M", "0x10G", "4G\n", "\u0664G", "1e9", "inf"]
)
def test_ram_refuses_what_is_no_size_or_too_little(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_ram(text)


def test_disk_needs_more_room_than_ram() -> None:
    assert fields.parse_disk("512M") == 512 * 1024**2

    with pytest.raises(fields.InvalidValueError, match="at least 512M"):
        fields.parse_disk("511M")


@pytest.mark.parametrize("text", ["0", "08", "1:30", "1_000", "on", "2.0", "-1", "+1", "", " 2", "\u0662", "10000"])
def test_cpu_refuses_what_is_no_plain_whole_number(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_cpu(text)


@pytest.mark.parametrize(("text", "minutes"), [("5", 5.0), ("0.5", 0.5), ("1.10", 1.1)])
def test_an_interval_may_have_a_fraction(text: str, minutes: float) -> None:
    assert fields.parse_interval(text) == minutes


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1:30", "1_000", "5m", "nan", "inf", "1e3", "", "999999"])
def test_an_interval_refuses_what_is_no_time_to_wait(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_interval(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:80", Address("::1", 80)),
        ("8080", Address("127.0.0.1", 8080)),
    ],
)
def test_an_address_is_host_and_port_or_a_port_of_the_loopback(text: str, address: Address) -> None:
    assert fields.parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        ":80",
        "h:0",
        "h:65536",
        "h:080",
        "h:",
        "-o:80",
        "a b:80",
        "h:80\n",
        "22:80",
        "[x]:80",
        "::1:80",
    ],
)
def test_an_address_refuses_what_ssh_could_misread(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_address(text)


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_proxy_is_scheme_host_and_port(scheme: str) -> None:
    assert fields.parse_proxy(f"{scheme}://proxy.example:1080") == Proxy(scheme, "proxy.example", 1080)


@pytest.mark.parametrize(
    "text",
    [
        "proxy:1080",
        "ftp://proxy:21",
        "socks5://proxy",
        "socks5://proxy:1080/path",
        "socks5://pro xy:1080",
        "socks5://proxy:1080\n",
        "socks5://proxy:10\nhttp evil 1",
        "socks5://:1080",
    ],
)
def test_a_proxy_refuses_what_could_reach_the_proxychains_file(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_proxy(text)


def test_a_proxy_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(fields.InvalidValueError, match="user name or password") as raised:
        fields.parse_proxy("socks5://someone:hunter2@proxy:1080")

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("text", ["a", "agent-ubuntu", "Vm2", "a" * 63])
def test_a_vm_name_is_one_that_multipass_accepts(text: str) -> None:
    assert fields.parse_vm_name(text) == text


@pytest.mark.parametrize("text", ["", "1bad", "bad_name", "-a", "a-", "a.b", "a/b", "a\n", "a" * 64, "\u00e9"])
def test_a_vm_name_refuses_what_multipass_refuses(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_vm_name(text)


def test_an_agent_name_may_have_underscores() -> None:
    assert fields.parse_agent_name("my_tool") == "my_tool"

    with pytest.raises(fields.InvalidValueError):
        fields.parse_agent_name("--my_tool")


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("~", "/home/someone"),
        ("~/", "/home/someone"),
        ("~/a/b/", "/home/someone/a/b"),
        ("~//etc", "/home/someone/etc"),
        ("/a//b/./c", "/a/b/c"),
        ("//a", "/a"),
    ],
)
def test_a_folder_of_the_host_is_absolute_with_home_filled_in(text: str, folder: str) -> None:
    assert str(fields.parse_host_folder(text, home=HOME)) == folder


@pytest.mark.parametrize("text", ["", "project", "./a", "$HOME/a", "~other/a", "/a/../b", "~/..", "/a\nb", "/\ud800"])
def test_a_folder_of_the_host_refuses_what_depends_on_where_one_stands(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_host_folder(text, home=HOME)


@pytest.mark.parametrize("text", ["/", "/home", "~", "/home/someone/"])
def test_a_source_must_not_hand_over_the_whole_home(text: str) -> None:
    with pytest.raises(fields.InvalidValueError, match="whole home folder"):
        fields.parse_source(text, home=HOME)


@pytest.mark.parametrize("text", ["/home/ubuntu/x", "/home/ubuntu/x/", "/srv/x", "/device"])
def test_a_target_is_an_absolute_folder_in_the_vm(text: str) -> None:
    assert fields.parse_target(text) == PurePosixPath(text)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "~/x",
        "",
        "/",
        "//",
        "/home",
        "/home/ubuntu",
        "/home/ubuntu/",
        "/home/./ubuntu",
        "/home/ubuntu/../x",
        "/dev",
        "/dev/x",
        "//dev/x",
        "/proc/1",
        "/sys/x",
    ],
)
def test_a_target_refuses_what_multipass_refuses(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_target(text)


@pytest.mark.parametrize("parse", [fields.parse_variable_value, fields.parse_argument])
def test_a_text_for_a_program_may_have_lines_but_no_nul(parse: Callable[[str], str]) -> None:
    assert parse("two\nlines") == "two\nlines"

    with pytest.raises(fields.InvalidValueError) as raised:
        parse("sk-secret\0")
    assert "sk-secret" not in str(raised.value)


def test_a_word_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(fields.InvalidValueError, match="did you mean 'bubblewrap'"):
        fields.parse_engine("bublewrap")


def test_the_alias_of_an_agent_type_gives_its_own_name() -> None:
    assert fields.parse_agent_type("claude") == "claude-code"
