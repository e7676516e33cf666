"""Every metric stands in docs/metrics.md, with what it means and when to worry."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.house.test_style import CODE, ROOT, sources

TYPES = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "GaugeMetricFamily": "gauge", "CounterMetricFamily": "counter"}


@dataclass(frozen=True)
class Metric:
    name: str
    type: str
    labels: tuple[str, ...]


def defined() -> Iterator[Metric]:
    """The metrics of the code, by reading it: some modules are only loaded where they are needed."""
    for path in sources(*CODE):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            if made not in TYPES or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                continue
            given = list(node.args[2:3]) + [one.value for one in node.keywords if one.arg in {"labels", "labelnames"}]
            labels = ast.literal_eval(given[0]) if given else ()
            yield Metric(first.value, TYPES[made], tuple(labels))


def documented() -> dict[str, list[str]]:
    """The cells of each line of the tables, by metric."""
    lines = (ROOT / "docs/metrics.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `tocsin_")]
    assert {len(row) for row in rows} == {6}, "a bar within a cell would end it"
    return {row[0].strip("`"): row for row in rows}


def test_every_metric_is_documented_as_it_is() -> None:
    table = documented()
    metrics = list(defined())
    assert len({metric.name for metric in metrics}) == len(metrics) > 30, "each is defined once"
    for metric in metrics:
        assert metric.name in table, f"docs/metrics.md does not know {metric.name}"
        _name, kind, labels, replicas, meaning = table[metric.name][:5]
        assert kind == metric.type, metric.name
        assert tuple(label.strip() for label in labels.split(",") if label.strip()) == metric.labels, metric.name
        assert replicas in {"each", "same"}, metric.name
        assert meaning, metric.name


def test_nothing_is_documented_that_is_not_there() -> None:
    assert set(documented()) == {metric.name for metric in defined()}


def test_metrics_are_named_as_prometheus_wants_it() -> None:
    for metric in defined():
        assert metric.name.startswith("tocsin_")
        assert (metric.type == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.type != "histogram" or metric.name.endswith("_seconds"), metric.name


def test_labels_are_of_fixed_lists() -> None:
    """No id, no path, nothing that somebody typed: a new label is thought about, and then added here."""
    known = {
        "channel",
        "finding",
        "gateway",
        "grade",
        "group",
        "loop",
        "method",
        "outcome",
        "partition",
        "promise",
        "role",
        "route",
        "shard",
        "state",
    }
    known |= {"status", "tier", "type"}
    assert {label for metric in defined() for label in metric.labels} <= known
