"""What can be run here, a line each: python -m nas_with_rl"""

import sys

from nas_with_rl.launch import command_line

if __name__ == "__main__":
    sys.exit(command_line.status_of(lambda: command_line.list_commands(sys.argv[1:])))
