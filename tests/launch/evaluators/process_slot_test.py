"""One place among the child processes: every transition of its states, with scripted processes.

What real processes do to it, `process_pool_test` and `hostile_children_test` have.
"""

import signal

import pytest

from nas_with_rl.launch.evaluators import process_slot
from nas_with_rl.launch.evaluators.child_frames import Unreadable
from nas_with_rl.launch.evaluators.child_process import (
    Call,
    ChildReply,
    Raised,
    Setup,
    WorkError,
)
from nas_with_rl.launch.evaluators.process_slot import (
    STARTS,
    STOPPED_LOOKS,
    Broken,
    Job,
    ProcessSlot,
)
from nas_with_rl.launch.host.resources import Place
from nas_with_rl.search_spaces.errors import InputError

WORK, OTHER_WORK = Setup("module:work"), Setup("module:other")
GROUP, CALL = Job((), seconds=5.0), Job(Call("module:function"), seconds=0.0)
REPLY = ChildReply("returned", 1.0, 2.0)
ERROR = Raised("a message", "ValueError: a message", "its traceback", is_input_error=False)
USER_ERROR = Raised("a message", "InputError: a message", "its traceback", is_input_error=True)


class Scripted:
    """A process that does what a test says.

    Attributes:
      answers: what `receive` returns, or raises, one after the other.
      taken: the requests that were sent; `takes` whether it takes any.
      status: its exit status once it has ended.
    """

    pid = 4711

    def __init__(self):
        self.answers, self.taken, self.takes = [], [], True
        self.status, self.ended, self.killed = -signal.SIGKILL, False, False

    def send(self, request):
        self.taken.append(request)
        return self.takes

    def receive(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def has_news(self):
        return bool(self.answers)

    def has_ended(self):
        return self.ended

    def death(self):
        return self.status

    def kill(self):
        self.killed = True


@pytest.fixture
def machine(monkeypatch):
    """What the machine says of a process, and the time; a test changes it."""
    state = {"stopped": False, "gib": 0.5, "oom_kills": 0, "now": 100.0}
    monkeypatch.setattr(process_slot.resources, "is_stopped", lambda pid: state["stopped"])
    monkeypatch.setattr(process_slot.resources, "resident_gib", lambda pid: state["gib"])
    monkeypatch.setattr(process_slot.resources, "kernel_oom_kills", lambda: state["oom_kills"])
    monkeypatch.setattr(process_slot.time, "monotonic", lambda: state["now"])
    return state


@pytest.fixture
def slot(machine, monkeypatch):
    monkeypatch.setattr(process_slot, "ChildProcess", lambda place, backends: Scripted())
    return ProcessSlot(0, Place(None, None), memory_gib=1.0)


def started(slot):
    slot.start(())
    return slot.process


def ready(slot):
    process = started(slot)
    process.answers = [REPLY]  # that it is ready
    assert slot.hear() is None
    return process


def at_work(slot):
    process = ready(slot)
    assert not slot.give(GROUP, WORK)  # the work first
    process.answers = [REPLY]
    assert slot.hear() is None
    assert slot.give(GROUP, WORK)
    return process


def calling(slot):
    process = ready(slot)
    assert slot.give(CALL, WORK)
    return process


STATES = {"started": started, "ready": ready, "at work": at_work, "calling": calling}


def state_of(slot):
    if slot.process is None:
        assert not slot.is_ready and slot.job is None
        return "empty"
    if slot.is_ready:
        return "ready"
    return "started" if slot.job is None else "at work"


# State; what the process answers; what `hear` returns or raises, and the state after it.
HEARD = [
    ("started", REPLY, None, "ready"),
    ("started", None, None, "started"),
    ("started", ERROR, WorkError, "ready"),
    ("started", USER_ERROR, InputError, "ready"),
    ("started", EOFError(), None, "empty"),  # killed: it is tried again
    ("started", Unreadable("noise"), None, "empty"),
    ("at work", REPLY, REPLY, "ready"),
    ("at work", None, None, "at work"),
    ("at work", ERROR, WorkError, "ready"),
    ("at work", USER_ERROR, InputError, "ready"),
    ("at work", EOFError(), "crashed", "empty"),
    ("at work", Unreadable("noise"), "crashed", "empty"),
    ("calling", REPLY, REPLY, "ready"),
    ("calling", ERROR, WorkError, "ready"),
    ("calling", EOFError(), "crashed", "empty"),
]


@pytest.mark.parametrize(("state", "answer", "expected", "after"), HEARD)
def test_what_is_heard(slot, state, answer, expected, after):
    process = STATES[state](slot)
    job = slot.job
    process.answers = [answer]
    if isinstance(expected, type):
        with pytest.raises(expected):
            slot.hear()
    else:
        found = slot.hear()
        if isinstance(expected, str):
            assert found[0] is job and isinstance(found[1], Broken)
            assert found[1].failure.reason == expected
        else:
            assert found == (expected and (job, expected))
    assert state_of(slot) == after and process.killed == (after == "empty")


# State; what has become of the process; what `look` says it failed by, and the state after it.
LOOKED = [
    ("ready", {"gib": 9.0}, None, "ready"),  # it is at nothing that could be held against it
    ("started", {}, None, "started"),
    ("started", {"gib": 9.0}, InputError, "started"),
    ("started", {"now": 1e9}, None, "started"),
    ("at work", {}, None, "at work"),
    ("at work", {"gib": 9.0}, "out_of_memory", "empty"),
    ("at work", {"gib": None}, None, "at work"),  # it has just ended
    ("at work", {"now": 104.9}, None, "at work"),
    ("at work", {"now": 105.1}, "timed_out", "empty"),
    ("calling", {"now": 1e9}, None, "at work"),  # without a ceiling
    ("calling", {"gib": 9.0}, "out_of_memory", "empty"),
]


@pytest.mark.parametrize(("state", "change", "expected", "after"), LOOKED, ids=str)
def test_what_is_looked_at(slot, machine, state, change, expected, after):
    STATES[state](slot)
    job = slot.job
    machine.update(change)
    if isinstance(expected, type):
        with pytest.raises(expected):
            slot.look()
    else:
        found = slot.look()
        assert (found and (found[0], found[1].failure.reason)) == (expected and (job, expected))
    assert state_of(slot) == after


def test_an_empty_place_is_not_looked_at(slot, machine):
    machine.update(gib=9.0)
    assert slot.look() is None and state_of(slot) == "empty"


def test_what_has_just_answered_has_passed_no_ceiling(slot, machine):
    at_work(slot).answers = [REPLY]
    machine.update(now=1e9, gib=9.0)
    assert slot.look() is None and slot.hear() == (GROUP, REPLY)


@pytest.mark.parametrize(
    ("status", "oom_kills", "reason"),
    [
        (-signal.SIGKILL, 0, "crashed"),
        (-signal.SIGKILL, 1, "out_of_memory"),  # by the kernel, while it was at work
        (-signal.SIGSEGV, 1, "crashed"),
        (3, 1, "crashed"),
        (None, 1, "crashed"),
    ],
)
def test_what_a_death_at_work_means(slot, machine, status, oom_kills, reason):
    process = at_work(slot)
    machine["oom_kills"] += oom_kills
    process.ended, process.status = True, status
    assert slot.look()[1].failure.reason == reason


@pytest.mark.parametrize(("status", "starts"), [(-signal.SIGKILL, STARTS), (1, 1), (0, 1)])
def test_a_process_that_never_gets_ready_is_given_up(slot, status, starts):
    """Killed ones are started some times; those that have ended by themselves would again."""
    for number in range(1, starts + 1):
        process = started(slot)
        process.answers, process.status = [EOFError()], status
        if number < starts:
            assert slot.hear() is None
    with pytest.raises(WorkError):
        slot.hear()
    assert state_of(slot) == "empty"


def test_starts_that_led_to_something_are_not_counted(slot):
    for _ in range(2 * STARTS):
        at_work(slot).answers = [EOFError()]
        assert slot.hear()[1].failure.reason == "crashed"


@pytest.mark.parametrize(
    ("looks", "after"), [(STOPPED_LOOKS, "at work"), (STOPPED_LOOKS + 1, "empty")]
)
def test_a_stopped_process_is_left_to_whoever_stopped_it_for_a_while(slot, machine, looks, after):
    at_work(slot)
    machine["stopped"] = True
    for _ in range(looks):
        slot.look()
    assert state_of(slot) == after


def test_a_process_that_went_on_is_counted_anew(slot, machine):
    at_work(slot)
    for stopped in (True, False, True):
        machine["stopped"] = stopped
        for _ in range(STOPPED_LOOKS):
            assert slot.look() is None


def test_the_work_is_sent_before_the_first_group_and_when_it_changes(slot):
    process = at_work(slot)
    for work, sent in ((WORK, [GROUP.request]), (OTHER_WORK, [OTHER_WORK, GROUP.request])):
        before = len(process.taken)
        process.answers = [REPLY] * 3
        slot.hear()
        while not slot.give(GROUP, work):
            slot.hear()
        assert process.taken[before:] == sent


def test_a_job_that_is_not_taken_is_not_lost(slot):
    process = ready(slot)
    process.takes = False
    assert slot.give(CALL, WORK) is False  # whoever has it gives it to another
    assert state_of(slot) == "empty" and process.killed


def test_an_error_of_the_work_is_the_childs_failure_where_that_is_wished(slot):
    slot._on_error = "fail"
    at_work(slot).answers = [ERROR]
    job, reply = slot.hear()
    assert job is GROUP and reply.returned.reason == "crashed"
    assert ERROR.line in reply.returned.message and ERROR.trace in reply.returned.message
    assert state_of(slot) == "ready"
