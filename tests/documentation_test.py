"""The README and the pages of docs/: snippets run, command lines parse, links lead somewhere.

A block of Python is run, after those before it on its page; `<!-- not run: REASON -->` above it
says why it is not. Command lines are parsed against the flags, experiments and settings that are.
"""

import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import nas_with_rl as nas
from nas_with_rl.launch.command_line import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        ROOT / "deploy" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
SNIPPETS = [name for name in PAGES if name.startswith("docs/")]  # README, CONTRIBUTING: their tests
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?"
    r"(?P<ticks>```+)(?P<kind>[\w{}-]*)(?: file=(?P<file>\S+))?\n(?P<body>.*?)^(?P=ticks)$",
    re.DOTALL | re.MULTILINE,
)
# What stands in shell blocks beside this project's own programs.
OTHER_PROGRAMS = {
    *("cd", "docker", "git", "kubectl", "pip", "python", "sbatch", "source", "tensorboard"),
    *("srun", "squeue", "scancel", "export"),
}
SETTING = re.compile(r"(?:search|controller|child|space|data)\.[a-z_.]+(?:=\S+)?")
RUN_ALL = """
import os, runpy, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.path[:0] = [folder]
    runpy.run_path("page.py", run_name="__main__")
    sys.path.remove(folder)
"""


def blocks(name, *kinds):
    return [found for found in FENCE.finditer(PAGES[name]) if found["kind"] in kinds]


def spans(name):
    """Return the code within sentences and tables."""
    text = FENCE.sub("", PAGES[name])
    found = re.findall(r"(?<!`)`([^`]+)`(?!`)", text)
    return [" ".join(each.replace(r"\|", "|").split()) for each in found]


def lines_of(block):
    """Return the words of each command line of a shell block."""
    text = "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))
    found, pending = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation goes on
            continue
        pending = ""
        found.append(words)
    assert not pending, block
    return [words for words in found if words]


def without_settings(words):
    """Leave out variables that are set for a program, and the dots of what may follow."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return [word for word in words if word not in ("...", "…", "&&", "&")]


def own_command(words):
    """Return the binary and its words where it is one of this project's; None otherwise."""
    words = without_settings(words)
    if words[:2] == ["python", "-m"] and words[2:]:
        place, _, binary = words[2].rpartition(".")
        return (binary, words[3:]) if place == "nas_with_rl.launch" else None
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]], words[1:]
    if words[1:] and words[0] in COMMANDS.values() and words[1].startswith("--"):
        return words[0], words[1:]
    return None


@functools.cache
def commands():
    """Return (page, binary, words) of all command lines of this project."""
    found = []
    for name in set(PAGES) - {"CHANGELOG.md"}:  # which speaks of earlier ones
        said = [line for each in blocks(name, "bash") for line in lines_of(each["body"])]
        for span in spans(name):
            if "--" in span and not span.startswith("--"):
                said += lines_of(span)
        found += [(name, *command) for command in map(own_command, said) if command]
    return found


def checked(lines):
    """Return what is wrong with each pair of a binary and its words."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "harness" / "documented_commands.py")],
        input=json.dumps(lines),
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_command_line_is_one_that_its_binary_takes():
    found = commands()
    assert len(found) > 100
    assert {binary for _, binary, _ in found} == set(COMMANDS.values())
    ignored = {"--help", "--version"}
    lines = [
        (binary, [word for word in words if word not in ignored]) for _, binary, words in found
    ]
    wrong = [
        f"{page}: {binary} {shlex.join(words)}: {said}"
        for (page, binary, words), said in zip(found, checked(lines), strict=True)
        if said
    ]
    assert not wrong, "\n".join(wrong)


def test_a_command_line_that_no_binary_takes_is_found():
    lines = [
        ("search", ["--experiment=quickstart", "--override=child.units=64"]),
        ("search", ["--experiment=quickstart", "--no_such_flag"]),
        ("search", ["--experiment=no_such"]),
        ("search", ["--experiment=quickstart", "--override=child.no_such=1"]),
        ("tables", ["--table=4"]),
        ("", ["search.no_such"]),
    ]
    right, *wrong = checked(lines)
    assert right == "" and all(wrong)


def test_every_setting_that_is_named_is_one():
    found = {}
    for name in set(PAGES) - {"CHANGELOG.md", "CONTRIBUTING.md"}:  # which adds options of its own
        for span in spans(name):
            setting = span.removeprefix("--override=")
            if SETTING.fullmatch(setting) and "..." not in setting:
                found.setdefault(setting.rstrip("."), name)
    assert len(found) > 50
    said = checked([("", [setting]) for setting in found])
    wrong = [f"{found[each]}: {text}" for each, text in zip(found, said, strict=True) if text]
    assert not wrong, "\n".join(wrong)


def test_shell_blocks_have_programs_that_there_are():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in PAGES:
        for words in (line for each in blocks(name, "bash") for line in lines_of(each["body"])):
            words = without_settings(words)
            if words[0] == "make":
                assert words[1] in targets, f"{name}: {words}"
            elif words[0] == "python" and words[1].endswith(".py"):
                assert (ROOT / words[1]).exists(), f"{name}: {words}"
            elif "/" in words[0]:
                assert (ROOT / words[0]).exists() or words[0].startswith(".venv"), (
                    f"{name}: {words}"
                )
            elif not own_command(words):
                assert words[0] in OTHER_PROGRAMS or words[0].startswith("--"), f"{name}: {words}"


def test_benchmarks_have_the_flags_that_they_are_called_with():
    sources = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")
    }
    seen = 0
    for name in PAGES:
        shells = "\n".join(each["body"] for each in blocks(name, "bash"))
        for span in (*spans(name), *shells.replace("\\\n", " ").splitlines()):
            for script, rest in re.findall(
                r"python (?:benchmarks|tests)/(?:\w+/)*(\w+\.py)(.*)", span
            ):
                source = sources.get(script)
                seen += source is not None
                for flag in re.findall(r"--([\w-]+)", rest) if source else ():
                    told = [text for text in (source, *sources.values()) if flag in text]
                    pattern = rf"""["'](?:--)?{flag}["']"""
                    assert any(re.search(pattern, text) for text in told), f"{name}: {span}"
    assert seen > 20


def test_every_snippet_of_the_pages_runs(tmp_path):
    folders = []
    for name in SNIPPETS:
        script = []
        for block in blocks(name, "python"):
            if block["reason"]:
                continue
            folder = tmp_path / name.replace("/", "-").removesuffix(".md")
            folder.mkdir(exist_ok=True)
            if block["file"]:
                (folder / block["file"]).write_text(block["body"], encoding="utf-8")
            else:
                script.append(block["body"])
        if script:
            (folder / "page.py").write_text("\n".join(script), encoding="utf-8")
            folders.append(str(folder))
    assert len(folders) >= 4
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *folders],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_is_not_run_says_why():
    """Every block is Python that runs, a shell's, text, a diff, or says why it is none of them."""
    kinds = {"python", "bash", "text", "", "diff", "bibtex", "{toctree}"}
    for name in PAGES:
        for block in blocks(name, "python"):
            assert block["reason"] is None or len(block["reason"]) > 10, name
        assert {found["kind"] for found in FENCE.finditer(PAGES[name])} <= kinds, name


def test_examples_use_public_names_only():
    for name in (name for name in PAGES if name.startswith(("docs/", "README"))):
        for block in blocks(name, "python"):
            assert not re.findall(r"(?:from|import) (nas_with_rl\.[\w.]+)", block["body"]), name
        for used in re.findall(r"\bnas\.([a-zA-Z_]\w*)", PAGES[name]):
            assert used in nas.__all__, f"{name}: nas.{used}"


def anchors(text):
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.strip().lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", PAGES[name]))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = ((ROOT / name).parent / target).resolve() if target else ROOT / name
        assert path.exists() and path.is_relative_to(ROOT), f"{name}: {link}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{name}: {link}"


def test_what_the_code_knows_is_as_the_code_says():
    tool = ROOT / "tools" / "reference_pages.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
