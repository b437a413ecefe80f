"""The comparison at the end of a search claims nothing that the seeds do not show."""

from nas_with_rl.launch.comparison import Candidate, describe


def lines(*candidates):
    return describe(candidates).splitlines()


def test_a_difference_within_the_spread_is_no_difference():
    best = Candidate("best cell", 1000, (7.0, 7.4, 7.2))
    lstm = Candidate("LSTM", 1010, (7.3, 7.6, 7.9))
    assert lines(best, lstm)[-1] == (
        "best cell and LSTM: no difference beyond the spread of seeds."
    )


def test_a_difference_on_every_seed_is_said_either_way():
    best = Candidate("best cell", 1000, (7.0, 7.1))
    lstm = Candidate("LSTM", 1010, (8.0, 8.2))
    assert lines(best, lstm)[-1] == "best cell: 13.0% lower than LSTM, on every seed."
    assert lines(lstm, best)[-1] == "LSTM: 14.9% higher than best cell, on every seed."


def test_one_seed_shows_nothing():
    pair = Candidate("best cell", 1000, (7.0,)), Candidate("LSTM", 1010, (9.0,))
    assert "no difference beyond" in lines(*pair)[-1]


def test_a_cell_that_fails_with_every_seed_has_no_verdict():
    failed, lstm = Candidate("best cell", 0, ()), Candidate("LSTM", 10, (7.0, 7.1))
    assert lines(failed, lstm)[0].endswith("failed with every seed")
    assert len(lines(failed, lstm)) == 2 and len(lines(lstm, failed)) == 2


def test_the_same_cell_is_named_as_such():
    pair = Candidate("best cell", 10, (7.0, 7.1)), Candidate("first", 10, (7.0, 7.1))
    assert lines(*pair)[-1] == "The best cell is the first."
    assert lines(*pair)[0].endswith("10 parameters  perplexity   7.05 ± 0.07 (2 seeds)")
