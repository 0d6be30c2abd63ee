from __future__ import annotations

import pytest

from agsekit.screen_modes import ScreenModes


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_was_switched_on_is_switched_off_and_on_again_however_it_arrives(size: int) -> None:
    modes = ScreenModes()
    output = b"\033[?1049h\033[?25l\033[2Jtext\033[?1000;1006h more \033[31m\033[?2004h\033[?2004l"

    for start in range(0, len(output), size):
        modes.follow(output[start : start + size])

    assert modes.off() == b"\033[?1006l\033[?1000l\033[?1049l\033[?25h\033[0m"
    assert modes.on() == b"\033[?1049h\033[?1000h\033[?1006h\033[?25l"


def test_an_ordinary_program_gets_an_ordinary_screen_back() -> None:
    modes = ScreenModes()

    modes.follow(b"plain \033[31mred\033[0m text \033[?999999999999999999999h \033[?;;h")

    assert (modes.off(), modes.on()) == (b"\033[0m", b"")
