"""A tiny process that ends the server when the process that started it is gone, however that one died.

Its standard input is a pipe whose other end only the starter holds, so that the kernel tells it of the starter's
death. (Linux' parent-death signal would be shorter, but it fires when the *thread* that started the server ends.) A
forked child of the starter inherits that end: then the server lives until the child ends too.
"""

import subprocess
from pathlib import Path

# The time of its start tells the server from a later process with the same id: that one is left alone. Then up to 10 s
# for a clean end and force after it, since a process that nobody reaps stays visible for ever.
SCRIPT = """
started() {
    if [ -r /proc/self/stat ]; then cut -d' ' -f22 "/proc/$1/stat"; else ps -o lstart= -p "$1"; fi
}
same() { [ -n "$birth" ] && [ "$(started "$1")" = "$birth" ]; }
exec 2>/dev/null
birth=$(started "$1")
read -r _
same "$1" && kill -TERM "$1"
for _ in $(seq 100); do same "$1" || break; sleep 0.1; done
same "$1" && kill -KILL "$1"
rm -rf -- "$2"
"""


class Guard:
    """Watches over one server process until `dismiss` is called."""

    def __init__(self, pid: int, scratch: Path) -> None:
        """Start watching.

        Args:
            pid: the server's process id.
            scratch: the folder to delete once the server is gone.
        """
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "bgjobs-guard", str(pid), str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End the watch and leave the server alone. Calling it twice is fine."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
