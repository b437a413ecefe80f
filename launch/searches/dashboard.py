"""TensorBoard's view of a search: what its tags mean, and the charts of "Custom Scalars"."""

from __future__ import annotations

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2, metadata

# Chart title -> regular expression of its tags, or a band: its line, its lower and upper edge.
CHARTS: dict[str, dict[str, str | tuple[str, str, str]]] = {
    "Search": {
        "reward": "reward/(mean|best|baseline)",
        "entropy per decision (nats)": "entropy/.*",
    },
    "Children": {
        "in flight": "children/in_flight",
        "per hour": "children/per_hour",
        "seconds per child": "child/seconds",
        "failures so far, by reason": "failed/.*",
    },
    "Controller": {
        "staleness (updates)": "staleness/(mean|max)",
        "gradient norm": "controller/gradient_norm",
    },
    "Workers": {
        "idle share: mean, least and most": (
            "workers/idle_share",
            "workers/idle_share_min",
            "workers/idle_share_max",
        ),
        "idle share by worker (of up to 64)": "idle_share/.*",
        "active": "workers/active",
    },
}

# Shown beside a chart of the tabs "Time Series" and "Scalars".
MEANINGS = {
    "child/seconds": "Mean duration of the evaluations that the controller learned from.",
    "children/in_flight": "Trials that were sampled and had no outcome yet, on average over the "
    "ends of the children since the last point.",
    "children/per_hour": "Finished evaluations per hour, reused outcomes not counted, over the "
    "last 10 minutes (where children take longer than 5: over two of their durations).",
    "staleness/max": "Most updates between the sampling of a trial and its own update.",
    "staleness/mean": "Updates between the sampling of a trial and its own update, on average; "
    "0 in a synchronous search.",
    "workers/active": "Workers that finished a child within the span of children/per_hour.",
    "workers/idle_share": "Mean over the active workers: time between children / all time.",
    "workers/idle_share_max": "Of the active worker that was idle most.",
    "workers/idle_share_min": "Of the active worker that was idle least.",
    "workers/idle_shares": "One value per active worker: time between children / all time.",
}


def layout() -> bytes:
    """Return the serialized summary that fills the tab "Custom Scalars"."""
    categories = [
        layout_pb2.Category(title=group, chart=[_chart(*chart) for chart in charts.items()])
        for group, charts in CHARTS.items()
    ]
    # What TensorBoard's own `custom_scalar.summary.pb` makes, which imports TensorFlow for it.
    tensor = TensorProto(
        dtype=DT_STRING,
        tensor_shape=TensorShapeProto(),
        string_val=[layout_pb2.Layout(category=categories).SerializeToString()],
    )
    value = Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=tensor,
    )
    return bytes(Summary(value=[value]).SerializeToString())


def _chart(title: str, tags: str | tuple[str, str, str]) -> layout_pb2.Chart:
    if isinstance(tags, str):
        # TensorBoard matches from a tag's beginning only.
        lines = layout_pb2.MultilineChartContent(tag=[f"{tags}$"])
        return layout_pb2.Chart(title=title, multiline=lines)
    value, lower, upper = tags
    band = layout_pb2.MarginChartContent.Series(value=value, lower=lower, upper=upper)
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[band]))
