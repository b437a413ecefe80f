"""Write which releases the image of deploy/Dockerfile is made of, with the digest of each file:

    python tools/lock_image.py

To be run by the image's Python (3.11, x86-64, Linux), after a change of setup.py or to take newer
releases. Nothing is installed; pip says what it would install.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "digits,nas-bench"  # as in deploy/Dockerfile
HEADER = """\
# Made by tools/lock_image.py, for Python 3.11 on x86-64 Linux: {what}.
"""


def resolved(*requirements: str) -> dict[str, str]:
    """Return a line for each release that pip would install, by its name."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
    options = ["--ignore-installed", "--prefer-binary", "--report=-"]
    done = subprocess.run(
        [*command, *options, *requirements], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    lines = {}
    for found in json.loads(done.stdout)["install"]:
        name = found["metadata"]["name"].lower().replace("_", "-")
        hashes = found["download_info"].get("archive_info", {}).get("hashes")
        if hashes:  # all but this package, which is a directory
            version = found["metadata"]["version"]
            lines[name] = f"{name}=={version} --hash=sha256:{hashes['sha256']}"
    return lines


def write(name: str, lines: dict[str, str], *, what: str) -> None:
    """Write a file of requirements, sorted by name."""
    text = HEADER.format(what=what) + "".join(f"{lines[key]}\n" for key in sorted(lines))
    (ROOT / "deploy" / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Resolve the package with and without CUDA's libraries."""
    if sys.version_info[:2] != (3, 11) or sys.platform != "linux":
        sys.exit("to be run by Python 3.11 on Linux, as the image has")
    package = f".[{EXTRAS}]"
    plain = resolved(package)
    # Together, and held to the same releases: the image with GPUs installs both files.
    held = [line.partition(" ")[0] for line in plain.values()]
    with_cuda = resolved(package, "tensorflow[and-cuda]", *held)
    write("requirements.lock", plain, what="what the package needs")
    cuda = {name: line for name, line in with_cuda.items() if name not in plain}
    write("requirements-cuda.lock", cuda, what="CUDA's libraries, for GPUs")


if __name__ == "__main__":
    main()
