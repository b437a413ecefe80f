#!/usr/bin/env bash
# SQLite's read-only mode writes. Opened with mode=ro, a database in WAL mode that was closed cleanly
# gets a new `-wal` and a new `-shm` beside it, which stay there after it is closed; where the
# directory cannot be written to it cannot be opened at all. immutable=1 leaves nothing, and takes no
# notice of a `-wal` that holds what a killed writer has committed: its rows are silently not there.
#
# Seen with apsw 3.50.4.0, which brings SQLite 3.50.4, on Python 3.11:
#   closed cleanly, then read with mode=ro: 3 rows; beside it: -shm -wal
#   closed cleanly, then read with immutable=1: 3 rows; beside it: nothing
#   writer killed, then read with immutable=1: 1 rows
#   writer killed, then read with mode=ro: 3 rows
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'apsw==3.50.4.0'
cd "$folder"
venv/bin/python - > output <<'PYTHON'
import os
import pathlib

import apsw


def write(path, die=False):
    connection = apsw.Connection(path)
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    connection.pragma("wal_checkpoint")
    connection.execute("INSERT INTO t VALUES (2), (3)")
    if die:
        os._exit(0)
    connection.close()


def read(path, mode):
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"file:{path}?{mode}", flags=flags)
    count = connection.execute("SELECT COUNT(*) FROM t").fetchone()[0]
    connection.close()
    return count


def beside(path):
    found = sorted(p.name.removeprefix(path) for p in pathlib.Path().glob(f"{path}-*"))
    return " ".join(found) or "nothing"


for mode in ("mode=ro", "immutable=1"):
    path = f"closed-{mode[0]}.db"
    write(path)
    assert beside(path) == "nothing"
    count = read(path, mode)
    print(f"closed cleanly, then read with {mode}: {count} rows; beside it: {beside(path)}")
for mode in ("immutable=1", "mode=ro"):
    path = f"killed-{mode[0]}.db"
    if os.fork() == 0:
        write(path, die=True)
    os.wait()
    print(f"writer killed, then read with {mode}: {read(path, mode)} rows")
PYTHON
cat output
diff output - <<'EXPECTED'
closed cleanly, then read with mode=ro: 3 rows; beside it: -shm -wal
closed cleanly, then read with immutable=1: 3 rows; beside it: nothing
writer killed, then read with immutable=1: 1 rows
writer killed, then read with mode=ro: 3 rows
EXPECTED
