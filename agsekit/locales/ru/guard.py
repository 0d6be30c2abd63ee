"""What is said of runs that destroy much, and of what this machine would execute."""

from __future__ import annotations

SENTENCES: dict[str, str | tuple[str, ...]] = {
    "the files could not be brought back: {reason}": "вернуть файлы не удалось: {reason}",
    "`guard: pause` ended the agent, because it destroyed too much": (
        "`guard: pause` завершил агента: тот уничтожил слишком много"
    ),
    "during the run: {what}": "во время запуска: {what}",
    "An agent destroys files": "Агент уничтожает файлы",
    "Its VM is suspended, with all that runs in it.": "Его машина приостановлена со всем, что в ней работает.",
    "The agent is stopped.": "Агент остановлен.",
    "[c]ontinue, [r]estore these files and continue, or [e]nd the agent? ": (
        "продолжить [c], вернуть эти файлы и продолжить [r] или завершить агента [e]? "
    ),
    "{lost} of {had} files in {folder} are gone or nearly empty.": (
        "В {folder} пропали или почти опустели файлы: {lost} из {had}."
    ),
    "The agent was ended for that (`guard: pause`).": "За это агент завершён (`guard: pause`).",
    "The state before is snapshot {id}, which is kept.": "Состояние до этого — снимок {id}, он сохраняется.",
    "The folder {folder} is gone.": "Папки {folder} больше нет.",
    "The state before is kept. To go back to it:": "Состояние до этого сохранено. Вернуться к нему:",
    "Brought back {count} paths; the agent goes on.": "Возвращено путей: {count}; агент продолжает работу.",
    "git runs it": "его запускает git",
    "git obeys it, and it can name programs": "git ему подчиняется, а в нём могут быть названы программы",
    "it names filters that git runs": "в нём названы фильтры, которые запускает git",
    "a shell runs it on entering the folder": "его выполняет оболочка при входе в папку",
    "an editor runs what it names": "названное в нём запускает редактор",
    "git hooks run what it names": "названное в нём запускают хуки git",
    "its scripts run on installing and building": "его скрипты выполняются при установке и сборке",
    "a package manager obeys it": "ему подчиняется менеджер пакетов",
    "Python runs it when it starts": "его выполняет Python при запуске",
    "an agent on this machine runs what it names": "названное в нём запускает агент на этой машине",
    "it runs where the project is built": "он выполняется там, где собирают проект",
    "installed programs and packages": "установленные программы и пакеты",
    "it can be executed now": "теперь его можно запустить",
    "a link that leads out of the folder": "ссылка, ведущая наружу из папки",
    "new": "новый",
    "look at these before you use them; this machine would execute or obey them:": (
        "посмотрите на это, прежде чем пользоваться: эта машина выполнит это или подчинится ему:"
    ),
    "put back as they were before the run, because this machine would execute or obey them:": (
        "возвращено к виду до запуска, потому что эта машина выполнила бы это или подчинилась ему:"
    ),
    "What the run made of them is kept. To take one all the same, name its path:": (
        "То, что сделал из этого запуск, сохранено. Чтобы всё же взять что-то, назовите путь:"
    ),
    "and {count} more; all of them:": "и ещё {count}; все:",
    "What of it this machine would execute, such as git hooks": (
        "Что из этого выполнила бы эта машина, например хуки git"
    ),
    "Show what of it this machine would execute or obey.": (
        "Показать, что из этого эта машина выполнила бы или чему подчинилась бы."
    ),
    "it is not known what of the changes this machine would execute: {reason}": (
        "неизвестно, что из изменений выполнила бы эта машина: {reason}"
    ),
    "what this machine would execute could not all be put back: {reason}": (
        "не всё, что выполнила бы эта машина, удалось вернуть: {reason}"
    ),
}
