"""What happens to a search that runs in one process: one line at most, and nothing is lost."""

import json
import re

import pytest


@pytest.fixture(scope="module")
def facts(run_script, small_disk, tmp_path_factory):
    """What came of each search."""
    folder = tmp_path_factory.mktemp("searches")
    disk = [f"--disk={small_disk}"] if small_disk else []
    return json.loads(run_script("search_faults.py", f"--folder={folder}", *disk).stdout)


def errors_of(facts):
    assert "Traceback" not in facts["output"], facts["output"][-1500:]
    return [line for line in facts["output"].splitlines() if line.startswith("error: ")]


def goes_on(facts):
    """Check that a search has ended by itself with what it would have ended with."""
    assert errors_of(facts) == [] and facts["status"] == 0
    assert facts["differences"] == []


def is_continued(facts):
    """Check that a search ended in one line and was resumed to the same end; return the line."""
    (line,) = errors_of(facts)
    assert facts["status"] not in (0, 1) and facts["resumed"] == 0
    assert facts["differences"] == []
    assert "from a copy" not in line  # nothing is damaged
    return line


def test_a_full_disk_is_one_line_and_loses_nothing(facts):
    if "full" not in facts:
        pytest.skip("needs the right to mount a small disk")
    line = is_continued(facts["full"])
    assert "--resume" in line and len(line) < 500


def test_a_workdir_that_becomes_read_only_is_one_line_and_loses_nothing(facts):
    line = is_continued(facts["read_only"])
    assert "read_only" in line  # the path


def test_a_full_standard_output_is_one_line_and_loses_nothing(facts):
    assert is_continued(facts["no_output"])


def test_another_programs_lock_is_waited_for_and_said(facts):
    goes_on(facts["troubled"])
    said = [line for line in facts["troubled"]["output"].splitlines() if "trials.sqlite" in line]
    assert any("lock" in line for line in said), said


def test_a_clock_that_is_set_back_changes_no_trial_and_no_duration(facts):
    goes_on(facts["troubled"])
    (minutes,) = re.findall(r"evaluated in (\S+) minutes", facts["troubled"]["output"])
    assert 0 <= float(minutes) < 1


def test_a_search_that_was_stopped_goes_on_and_holds_it_against_no_child(facts):
    """Stopped for longer than a child may take; its children have no file of the run open."""
    goes_on(facts["stopped"])


def test_a_child_process_that_dies_before_the_first_trial_is_replaced_or_named(facts):
    found = facts["child_dies"]
    if found["status"]:
        is_continued(found)
    else:
        goes_on(found)


def test_a_child_without_room_for_its_files_ends_the_search_which_is_continued(facts):
    """It is an error of one's own function: with its traceback, or in one line."""
    found = facts["child_no_room"]
    assert found["status"] != 0 and "No space left on device" in found["output"]
    assert found["resumed"] == 0 and found["differences"] == []


def test_a_childs_clock_that_is_set_back_changes_no_trial_and_no_duration(facts):
    goes_on(facts["stopped"])
    (minutes,) = re.findall(r"evaluated in (\S+) minutes", facts["stopped"]["output"])
    assert 0 <= float(minutes) < 1


def test_a_finished_run_that_may_only_be_read_is_read(facts):
    found = facts["reading"]
    assert errors_of(found) == [] and found["status"] == 0
    assert found["output"].split()[-2] == "120"
