"""What a trained language model answers to the prompts of a task: which lines it completes.

Shapes: T steps, B sequences (a sample in a context each), V vocabulary.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from nas_with_rl.child_models.data.sequences import END, Sample, draw_text
from nas_with_rl.child_models.language_models.model import LanguageModel
from nas_with_rl.search_spaces.errors import InputError

NUM_CONTEXTS = 8
CONTEXT_LINES = 4  # before a prompt: the net was trained on a stream
MOST_AT_ONCE = 1024  # texts; thousands together would take gigabytes


@dataclasses.dataclass(frozen=True)
class AnsweredSample:
    """How one sample was answered.

    Attributes:
      sample: prompt and right answer.
      share: of the contexts in which the answer was right.
    """

    sample: Sample
    share: float


@dataclasses.dataclass(frozen=True)
class Answers:
    """How samples were answered, in several contexts each.

    Attributes:
      samples: in the order asked for.
    """

    samples: tuple[AnsweredSample, ...]

    @property
    def share(self) -> float:
        """The mean share over all samples."""
        return statistics.fmean(each.share for each in self.samples)

    @property
    def num_right(self) -> int:
        """How many samples were answered right in every context."""
        return sum(each.share == 1 for each in self.samples)

    @property
    def share_by_size(self) -> Mapping[int, float]:
        """The mean share of each size's samples, sizes rising."""
        shares = collections.defaultdict(list)
        for each in self.samples:
            shares[each.sample.size].append(each.share)
        return {size: statistics.fmean(shares[size]) for size in sorted(shares)}

    @property
    def counted_to(self) -> int:
        """The largest n such that all sizes from 1 to n are right in every context; 0 for none."""
        shares, size = self.share_by_size, 0
        while shares.get(size + 1) == 1:
            size += 1
        return size


def answers(
    model: LanguageModel,
    vocabulary: Sequence[str],
    samples: Sequence[Sample],
    *,
    context: Sequence[Sample] = (),
    seed: int = 0,
) -> Answers:
    """Ask a model to continue each sample's prompt, in several contexts.

    An answer is right where the greedy continuation is the sample's answer and then the newline:
    one b too many is wrong. The model starts from the zero state and reads a few lines first.

    Args:
      model: a trained language model of characters.
      vocabulary: its tokens.
      samples: what is asked.
      context: samples of which the lines before are drawn, as a rule a task's training samples;
        `samples` where there are none.
      seed: of those lines; the contexts are the same for all samples.

    Raises:
      InputError: no samples, or one with a character that the vocabulary lacks.
    """
    if not samples:
        raise InputError("there are no samples to answer")
    contexts = [
        draw_text(context or samples, CONTEXT_LINES, seed=seed * NUM_CONTEXTS + number)
        for number in range(NUM_CONTEXTS)
    ]
    texts = [before + sample.line for sample in samples for before in contexts]
    numbers = _numbers(texts, vocabulary)  # [T, B]
    starts = [len(before) + len(sample.prompt) for sample in samples for before in contexts]
    ends = [len(text) for text in texts]
    parts = [slice(first, first + MOST_AT_ONCE) for first in range(0, len(texts), MOST_AT_ONCE)]
    right = [_continued(model, numbers[:, part], starts[part], ends[part]) for part in parts]
    shares = np.concatenate(right).reshape(len(samples), NUM_CONTEXTS).mean(axis=1)
    pairs = zip(samples, shares.tolist(), strict=True)
    return Answers(tuple(AnsweredSample(sample, share) for sample, share in pairs))


def _continued(
    model: LanguageModel, numbers: np.ndarray, starts: Sequence[int], ends: Sequence[int]
) -> np.ndarray:
    """Say of each text whether the model continues it, greedily, from its start to its end.

    One pass over the true text is enough: the greedy continuation equals it just where, after
    every true character, the next true one is the most probable.

    Args:
      model: a language model.
      numbers: of the texts' tokens, filled up at the end, [T, B].
      starts, ends: of the part to be continued, in characters.

    Returns:
      bool, [B].
    """
    tensor, _ = model.predict_next(numbers[:-1], model.initial_state(numbers.shape[1]))
    logits = keras.ops.convert_to_numpy(tensor)  # [T - 1, B, V]
    # Of a cell that diverges NumPy would take the first NaN for the greatest.
    is_known = np.isfinite(logits).all(axis=-1)
    predicted = np.where(is_known, np.argmax(logits, axis=-1), -1)
    place = np.arange(1, numbers.shape[0])[:, np.newaxis]  # of what is predicted
    asked = (place >= np.asarray(starts)) & (place < np.asarray(ends))
    return ((predicted == numbers[1:]) | ~asked).all(axis=0)


def _numbers(texts: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Return the numbers of texts' characters, shorter texts with newlines after them, [T, B]."""
    number_of = {token: number for number, token in enumerate(vocabulary)}
    missing = sorted(set("".join(texts)) - set(number_of))
    if missing:
        raise InputError(
            f"the samples have the character {missing[0]!r}, which is not in the vocabulary of "
            f"the model ({len(vocabulary)} tokens)"
        )
    length = max(map(len, texts))
    rows = [[number_of[character] for character in text.ljust(length, END)] for text in texts]
    return np.ascontiguousarray(np.array(rows, np.int32).T)
