"""A supervisor of toy roles: python supervised_toys.py DIRECTORY PATIENCE NAME ...

PATIENCE is a JSON object, and a NAME that starts with "chief" is a chief's. Logs go to
DIRECTORY/NAME.log; that of a role whose name ends with "-bare" to where this process's goes.
With FORKED_TOYS in the environment the roles are forked.
"""

import json
import os
import sys
from pathlib import Path

from nas_with_rl.launch.clusters.role_process import SupervisedRole
from nas_with_rl.launch.clusters.supervisor import Patience, Supervisor
from nas_with_rl.launch.host import forking

directory, patience, *names = sys.argv[1:]
server = forking.forked_server() if os.environ.get("FORKED_TOYS") else None
roles = [
    SupervisedRole(
        name,
        (sys.executable, "-m", "toy_role", directory, name),
        {"TOY": name},
        None if name.endswith("-bare") else Path(directory) / f"{name}.log",
        name.startswith("chief"),
        "toy_role:main",
    )
    for name in names
]
with Supervisor(roles, Patience(**json.loads(patience)), server=server) as supervisor:
    status = supervisor.run()
sys.exit(status)
