"""A role that does what it is told: python toy_role.py DIRECTORY NAME [FLAG ...]

Appends its process number and its flags to DIRECTORY/NAME.starts; then, whenever
DIRECTORY/NAME.order appears, obeys and removes it; obeys DIRECTORY/NAME.fate without removing it.
Orders: `exit STATUS TEXT` prints the text, on the standard error if it is an error's, and ends;
`say TEXT`; `spawn` starts a process in a session of its own and appends its number to
DIRECTORY/NAME.spawned; `refuse` ignores Ctrl-C and SIGTERM. Ctrl-C ends it with status 130. One
whose NAME starts with "mute" gives no sign of life.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from nas_with_rl.launch.host import heartbeat


class Toy:
    """The role.

    Attributes:
      folder, name: where it finds its orders, and by which name.
    """

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name

    def append(self, suffix, text):
        with (self.folder / f"{self.name}.{suffix}").open("a") as file:
            file.write(f"{text}\n")

    def obey(self, order):
        verb, _, rest = order.strip().partition(" ")
        if verb == "exit":
            status, _, text = rest.partition(" ")
            print(text, file=sys.stderr if text.startswith("error") else sys.stdout)
            sys.exit(int(status))
        elif verb == "say":
            sys.stdout.write(f"{rest}\r")
        elif verb == "spawn":
            spawned = subprocess.Popen(["sleep", "600"], start_new_session=True)
            self.append("spawned", spawned.pid)
        elif verb == "refuse":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def run(self):
        order, fate = (self.folder / f"{self.name}.{suffix}" for suffix in ("order", "fate"))
        while True:
            if text := read(order):
                order.unlink()
                self.obey(text)
            self.obey(read(fate))
            time.sleep(0.01)


def read(path):
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def main(words):
    heartbeat.leave_with_supervisor()
    folder, name, *flags = words
    toy = Toy(folder, name)
    try:
        if not name.startswith("mute"):
            heartbeat.start()
        toy.append("starts", " ".join([str(os.getpid()), *flags]))
        toy.run()
    except KeyboardInterrupt:
        toy.append("interrupted", os.getpid())
        print("stored")
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
