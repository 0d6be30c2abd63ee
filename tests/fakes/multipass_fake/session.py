"""What sshd does inside for one command: a session of its own, the shell of the user, the exact end.

Started by path inside the machine, so it imports nothing from beside it.
"""

import fcntl
import os
import signal
import sys
import termios


def main() -> None:
    """Run `bash -c LINE`; end with its exit code, or 255 when a signal killed it."""
    kind, line = sys.argv[1:]
    child = os.fork()
    if not child:
        os.setsid()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ.pop("LC_CTYPE", None)  # Python adds it in the C locale
        if kind == "tty":
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.execv("/bin/bash", ["bash", "-c", line])  # noqa: S606 (this is the shell of the user)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _, status = os.waitpid(child, 0)
    os._exit(255 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


main()
