"""The Russian catalogue, in parts by who says the sentences.

A value is the sentence, or its forms for one, for two to four, and for more (see `agsekit.i18n.Forms`).
"""

from __future__ import annotations

from agsekit.locales.ru import application, commands, configuration, guard, machines, snapshots, storage, wizard

CATALOGUE: dict[str, str | tuple[str, ...]] = {
    **commands.SENTENCES,
    **snapshots.SENTENCES,
    **machines.SENTENCES,
    **configuration.SENTENCES,
    **application.SENTENCES,
    **storage.SENTENCES,
    **guard.SENTENCES,
    **wizard.SENTENCES,
}
