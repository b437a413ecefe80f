"""Make the table of `search_quality.py`: all 512 base-2 cells of one inject, each trained once.

    python benchmarks/base_2_cells.py        # about 15 minutes on 2 cores; writes base_2_cells.json

The cells of base 2 whose inject and cell indices are Figure 5's. Each is trained as the
recurrent layers of a character model with 16 units for 100 steps on the quickstart's text; the
table holds the validation perplexities, a failed child's as null.
"""

import itertools
import json
import sys
from pathlib import Path

import tqdm

from nas_with_rl.child_models.data.text import TextDataConfig, load_corpus
from nas_with_rl.child_models.failures import ChildFailure
from nas_with_rl.child_models.language_models.config import LanguageModelTraining
from nas_with_rl.child_models.language_models.training import train_language_model
from nas_with_rl.search_spaces.architecture import parse_architecture
from nas_with_rl.search_spaces.recurrent_cell import RecurrentCellSpace, cell_of

TABLE = Path(__file__).with_name("base_2_cells.json")
FIXED = "add relu 1 0"  # Figure 5's cell inject and cell indices
TRAINING = LanguageModelTraining(
    units=16,
    steps_per_epoch=100,
    batch_size=16,
    num_steps=20,
    optimizer="adam",
    learning_rate=0.02,
    clip_norm=100.0,
)
DATA = TextDataConfig(source="stdlib", max_validation_tokens=20_000)


def main() -> None:
    corpus = load_corpus(DATA)
    choices = RecurrentCellSpace(base=2)
    space = choices.search_space()
    pairs = [f"{c} {a}" for c, a in itertools.product(choices.combinations, choices.activations)]
    perplexities: dict[str, float | None] = {}
    for nodes in tqdm.tqdm(list(itertools.product(pairs, repeat=3)), unit="cell"):
        architecture = parse_architecture(" ".join([*nodes, FIXED]), space)
        try:
            result = train_language_model(cell_of(architecture), corpus, TRAINING, seed=0)
            perplexities[" ".join(nodes)] = round(result.validation_perplexity[-1], 4)
        except ChildFailure:
            perplexities[" ".join(nodes)] = None
    files = [vars(source) for source in corpus.provenance]
    table = {"python": sys.version.split()[0], "text": files, "perplexities": perplexities}
    TABLE.write_text(json.dumps(table, indent=0) + "\n", encoding="utf-8")
    print(f"wrote {len(perplexities)} cells to {TABLE}")


if __name__ == "__main__":
    main()
