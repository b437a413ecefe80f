"""Tables 1 to 3 of Zoph & Le (2016) as data: the second version's, with the first one's deviations.

Nothing here is this project's own. The paper's own rows have a key, by which `our_rows` says how
each is made here.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

PrintedMetric = Literal["error", "perplexity", "bits_per_character"]


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """One row of a table.

    Attributes:
      model: as the paper names it.
      params: the number of parameters as printed, "" where there is none.
      result: in the table's metric, as printed.
      depth: of ConvNets, where the paper gives one.
      first_version: what the paper's first version (November 2016) has instead; "" for the same.
      key: of what is made here: the paper's own rows and the two-layer LSTM; "" for the others.
      bold: whether the paper prints it so: its own results.
    """

    model: str
    params: str
    result: str
    depth: int | None = None
    first_version: str = ""
    key: str = ""
    bold: bool = False


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """One table.

    Attributes:
      number: 1, 2 or 3.
      title: what it compares.
      metric: of its results.
      rows: in the paper's order.
      notes: the paper's own, and slips in it.
    """

    number: int
    title: str
    metric: PrintedMetric
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...] = ()


def _convnet(
    model: str, result: str, depth: int | None = None, params: str = "", first_version: str = ""
) -> PaperRow:
    return PaperRow(model, params, result, depth, first_version)


def _own(row: PaperRow, key: str) -> PaperRow:
    return dataclasses.replace(row, key=key, bold=True)


TABLE_1 = PaperTable(
    number=1,
    title="CIFAR-10, test error in %",
    metric="error",
    rows=(
        _convnet("Network in Network (Lin et al., 2013)", "8.81"),
        _convnet("All-CNN (Springenberg et al., 2014)", "7.25"),
        _convnet("Deeply Supervised Net (Lee et al., 2015)", "7.97"),
        _convnet("Highway Network (Srivastava et al., 2015)", "7.72"),
        _convnet("Scalable Bayesian Optimization (Snoek et al., 2015)", "6.37"),
        _convnet("FractalNet (Larsson et al., 2016)", "5.22", 21, "38.6M"),
        _convnet("  with Dropout/Drop-path", "4.60", 21, "38.6M"),
        _convnet("ResNet (He et al., 2016a)", "6.61", 110, "1.7M"),
        _convnet("ResNet (reported by Huang et al., 2016c)", "6.41", 110, "1.7M"),
        _convnet("ResNet with Stochastic Depth (Huang et al., 2016c)", "5.23", 110, "1.7M"),
        _convnet("  deeper", "4.91", 1202, "10.2M"),
        _convnet("Wide ResNet (Zagoruyko & Komodakis, 2016)", "4.81", 16, "11.0M"),
        _convnet("  deeper", "4.17", 28, "36.5M"),
        _convnet("ResNet, pre-activation (He et al., 2016b)", "5.46", 164, "1.7M"),
        _convnet("  deeper", "4.62", 1001, "10.2M"),
        _convnet("DenseNet L=40 k=12 (Huang et al., 2016a)", "5.24", 40, "1.0M"),
        _convnet("DenseNet L=100 k=12 (Huang et al., 2016a)", "4.10", 100, "7.0M"),
        _convnet("DenseNet L=100 k=24 (Huang et al., 2016a)", "3.74", 100, "27.2M"),
        _convnet(
            "DenseNet-BC L=100 k=40 (Huang et al., 2016b)",
            "3.46",
            190,
            "25.6M",
            first_version="absent",
        ),
        _own(_convnet("NAS v1, no stride or pooling", "5.50", 15, "4.2M"), "v1"),
        _own(_convnet("NAS v2, predicting strides", "6.01", 20, "2.5M"), "v2"),
        _own(_convnet("NAS v3, max pooling", "4.47", 39, "7.1M"), "v3"),
        _own(
            _convnet(
                "NAS v3, max pooling + more filters",
                "3.65",
                39,
                "37.4M",
                first_version="3.84 with 32.0M (32 more filters a layer, not 40)",
            ),
            "v3_more_filters",
        ),
    ),
    notes=("DenseNet-BC: L=100 beside a depth of 190, as the paper prints it.",),
)

TABLE_2 = PaperTable(
    number=2,
    title="Penn Treebank, words: test perplexity of a single model",
    metric="perplexity",
    rows=(
        PaperRow("Mikolov & Zweig (2012), KN-5", "2M‡", "141.2"),
        PaperRow("Mikolov & Zweig (2012), KN5 + cache", "2M‡", "125.7"),
        PaperRow("Mikolov & Zweig (2012), RNN", "6M‡", "124.7"),
        PaperRow("Mikolov & Zweig (2012), RNN-LDA", "7M‡", "113.7"),
        PaperRow("Mikolov & Zweig (2012), RNN-LDA + KN-5 + cache", "9M‡", "92.0"),
        PaperRow("Pascanu et al. (2013), Deep RNN", "6M", "107.5"),
        PaperRow("Cheng et al. (2014), Sum-Prod Net", "5M‡", "100.0"),
        PaperRow("Zaremba et al. (2014), LSTM (medium)", "20M", "82.7"),
        PaperRow("Zaremba et al. (2014), LSTM (large)", "66M", "78.4"),
        PaperRow("Gal (2015), Variational LSTM (medium, untied)", "20M", "79.7"),
        PaperRow("Gal (2015), Variational LSTM (medium, untied, MC)", "20M", "78.6"),
        PaperRow("Gal (2015), Variational LSTM (large, untied)", "66M", "75.2"),
        PaperRow("Gal (2015), Variational LSTM (large, untied, MC)", "66M", "73.4"),
        PaperRow("Kim et al. (2015), CharCNN", "19M", "78.9"),
        PaperRow(
            "Press & Wolf (2016), Variational LSTM, shared embeddings",
            "51M",
            "73.2",
            first_version="24M",
        ),
        PaperRow("Merity et al. (2016), Zoneout + Variational LSTM (medium)", "20M", "80.6"),
        PaperRow("Merity et al. (2016), Pointer Sentinel-LSTM (medium)", "21M", "70.9"),
        PaperRow(
            "Inan et al. (2016), VD-LSTM + REAL (large)", "51M", "68.5", first_version="absent"
        ),
        PaperRow("Zilly et al. (2016), Variational RHN, shared embeddings", "24M", "66.0"),
        _own(PaperRow("NAS with base 8", "32M", "67.9"), "base_8_32m"),
        _own(PaperRow("NAS with base 8 and shared embeddings", "25M", "64.0"), "base_8_25m"),
        _own(PaperRow("NAS with base 8 and shared embeddings", "54M", "62.4"), "base_8_54m"),
    ),
    notes=("‡ an estimate by Merity et al. (2016).",),
)

TABLE_3 = PaperTable(
    number=3,
    title="Penn Treebank, characters: test bits per character",
    metric="bits_per_character",
    rows=(
        PaperRow("Ha et al. (2016), Layer Norm HyperLSTM", "4.92M", "1.250"),
        PaperRow(
            "Ha et al. (2016), Layer Norm HyperLSTM Large Embeddings",
            "5.06M",
            "1.233",
            first_version="absent",
        ),
        PaperRow("Ha et al. (2016), 2-Layer Norm HyperLSTM", "14.41M", "1.219"),
        PaperRow("Two layer LSTM", "6.57M", "1.243", key="lstm"),
        _own(PaperRow("Two layer with new cell", "6.57M", "1.228"), "new_cell"),
        _own(
            PaperRow("Two layer with new cell", "16.28M", "1.214", first_version="absent"),
            "new_cell_16m",
        ),
    ),
)

PAPER_TABLES = (TABLE_1, TABLE_2, TABLE_3)
