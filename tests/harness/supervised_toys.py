"""A supervisor of toy roles: python supervised_toys.py DIRECTORY PATIENCE NAME ...

PATIENCE is a JSON object, and a NAME that starts with "chief" is a chief's. Logs go to
DIRECTORY/NAME.log; that of a role whose name ends with "-bare" to where this process's goes.
"""

import json
import sys
from pathlib import Path

from nas_with_rl.launch.clusters.role_process import SupervisedRole
from nas_with_rl.launch.clusters.supervisor import Patience, Supervisor

directory, patience, *names = sys.argv[1:]
toy = str(Path(__file__).with_name("toy_role.py"))
roles = [
    SupervisedRole(
        name,
        (sys.executable, toy, directory, name),
        {"TOY": name},
        None if name.endswith("-bare") else Path(directory) / f"{name}.log",
        name.startswith("chief"),
    )
    for name in names
]
with Supervisor(roles, Patience(**json.loads(patience))) as supervisor:
    status = supervisor.run()
sys.exit(status)
