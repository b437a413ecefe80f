"""Build the wheel, install it in a clean environment, and import all of it from elsewhere.

Run in the root of the checkout, with the python of an environment that has pip. The clean
environment gets the wheel and what the wheel itself asks for, without extras.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("child_models", "controller", "explorer", "launch", "search_spaces")

# Runs in the clean environment. A binary defines flags, so each has a process of its own.
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    path = importlib.import_module(name).__file__
    assert path.startswith(sys.prefix), f"{name} was imported from {path}"
"""


def main() -> None:
    """Exit with one line about the first thing that is wrong."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="check_wheel_") as directory:
        folder = Path(directory)
        wheel = build(folder)
        check_contents(wheel)
        python = install(wheel, folder / "environment")
        num_modules = check_imports(python, wheel, elsewhere=folder)
        num_commands = check_commands(python, elsewhere=folder)
        seconds = time.monotonic() - start
        print(
            f"{wheel.name}: {num_modules} modules imported, {num_commands} commands called, "
            f"{seconds:.0f} s"
        )


def build(folder: Path) -> Path:
    """Build the wheel from a copy, where no earlier build has left a deleted module."""
    copy = folder / "checkout"
    names = ("LICENSE", "README.md", "nas_with_rl", "pyproject.toml", "setup.py", *FOLDERS)
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True)
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, copy])
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Compare the wheel's files with the checkout's: each there exactly once, nothing else."""
    expected = [f"nas_with_rl/{name}" for name in ("__init__.py", "__main__.py", "py.typed")]
    for folder in FOLDERS:
        expected += [
            f"nas_with_rl/{path.relative_to(ROOT).as_posix()}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.name != "BUILD" and "__pycache__" not in path.parts
        ]
    found = [name for name in names_in(wheel) if ".dist-info/" not in name]
    if sorted(found) != sorted(expected):
        odd = sorted(set(found) ^ set(expected)) or "the same file twice"
        sys.exit(f"{wheel.name} and the checkout differ in {odd}")


def install(wheel: Path, environment: Path) -> Path:
    """Install the wheel and its requirements; return the environment's python."""
    run([sys.executable, "-m", "venv", environment])
    python = environment / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", f"{wheel}[jax]"])  # jax_* need the extra
    run([python, "-m", "pip", "check"])
    return python


def check_imports(python: Path, wheel: Path, *, elsewhere: Path) -> int:
    """Import every module of the wheel from another directory; return how many there are."""
    modules, binaries = [], []
    with zipfile.ZipFile(wheel) as archive:
        for name in names_in(wheel):
            if name.endswith(".py"):
                module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                is_binary = b'__name__ == "__main__"' in archive.read(name)
                (binaries if is_binary else modules).append(module)
    for names in (modules, *([binary] for binary in binaries)):
        run([python, "-I", "-c", IMPORT, *names], cwd=elsewhere)
    return len(modules) + len(binaries)


def check_commands(python: Path, *, elsewhere: Path) -> int:
    """Call every command that is listed, as it lies beside python; return how many there are."""
    version = run([python, "-I", "-m", "nas_with_rl", "--version"], cwd=elsewhere)
    listed = run([python, "-I", "-m", "nas_with_rl"], cwd=elsewhere)
    commands = [line.split()[0] for line in listed.splitlines() if line.startswith("nas-")]
    for name in commands:
        program = python.with_name(name)
        if run([program, "--version"], cwd=elsewhere) != version:
            sys.exit(f"{name} --version does not say {version.strip()}")
        if f"{name} --" not in run([program, "--help"], cwd=elsewhere):
            sys.exit(f"{name} --help does not say how {name} is called")
    return len(commands)


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def run(command: list[str | Path], *, cwd: Path | None = None) -> str:
    """Run a command and return what it printed; where it fails, exit with what it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        sys.exit(f"{said}\ncheck_wheel: failed: {' '.join(map(str, command))}"[-4000:])
    return done.stdout


if __name__ == "__main__":
    main()
