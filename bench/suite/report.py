"""Tables of medians and ratios, from raw runs.

A raw run is a dictionary with kind, name, title, allocator, round and its figures. A figure in a
table is the median over the rounds. Ratios are ours over a peer's; the best peer is taken anew for
every case.
"""
import math
import statistics

from . import allocators
from .cases import AIMED, COUNTS

TIME, MEMORY, GROWN = "cpu_ns", "memory_kib", "grown_kib"
# Kinds whose time is shown per operation.
COUNTED = ["sizes", "live"]
WORST_AIM = 1.15  # no case slower than this times the best of the peers


class Results:
    """The runs by case and allocator"""

    def __init__(self, runs):
        self.cases = {}  # key -> (kind, title)
        self.names = []  # allocators, in order of appearance
        self.peers = []
        self._values = {}
        self._failed = {}
        for run in runs:
            key = f"{run['kind']}/{run['name']}"
            self.cases.setdefault(key, (run["kind"], run["title"]))
            if run["allocator"] not in self.names:
                self.names.append(run["allocator"])
            if "failed" in run:
                self._failed[key, run["allocator"]] = run["failed"]
                continue
            if run["kind"] in COUNTED:  # of one operation: how many there were differs
                run = run | {TIME: run[TIME] / run["operations"]}
            self._values.setdefault((key, run["allocator"]), []).append(run)
        known = [name for name, _, _ in allocators.PEERS]
        self.names.sort(key=lambda name: ([allocators.OURS] + known).index(name)
                        if name in known or name == allocators.OURS else len(known) + 1)
        self.peers = [name for name in self.names if name in known]

    def of_kinds(self, kinds):
        return [key for key, (kind, _) in self.cases.items() if kind in kinds]

    def kinds(self):
        return list(dict.fromkeys(kind for kind, _ in self.cases.values()))

    def title(self, key):
        return self.cases[key][1]

    def runs(self, key, name):
        return self._values.get((key, name), [])

    def failure(self, key, name):
        return self._failed.get((key, name))

    def middle(self, key, name, field):
        values = [run[field] for run in self.runs(key, name) if run.get(field) is not None]
        return statistics.median(values) if values else None

    def best(self, key, field):
        """Name of the peer with the least"""
        values = {name: self.middle(key, name, field) for name in self.peers}
        values = {name: value for name, value in values.items() if value is not None}
        return min(values, key=values.get) if values else None

    def ratio(self, key, name, other, field):
        mine, others = self.middle(key, name, field), self.middle(key, other, field)
        if not mine or not others:
            return None
        return mine / others

    def to_best(self, key, name, field):
        best = self.best(key, field)
        return None if best is None else self.ratio(key, name, best, field)

    def within_rounds(self, key, name, other, field):
        """Least and most of the ratio, taken round by round"""
        others = {run["round"]: run[field] for run in self.runs(key, other)}
        ratios = [run[field] / others[run["round"]] for run in self.runs(key, name)
                  if others.get(run["round"])]
        return (min(ratios), max(ratios)) if ratios else None

    def geometric(self, keys, ratio):
        """Geometric mean of ratio(key) over the cases that have one, and how many those are"""
        found = [value for value in map(ratio, keys) if value]
        if not found:
            return None, 0
        return math.exp(sum(map(math.log, found)) / len(found)), len(found)


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return [row(head), row(["---"] + ["---:"] * (len(head) - 1)), *map(row, rows), ""]


def short(value):
    """Three digits that matter"""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plain(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def emphasised(ratio, text, limit):
    return f"**{text}**" if ratio is not None and ratio > limit else text


def cell(results, key, name, field, scale):
    if results.failure(key, name):
        return results.failure(key, name)
    value = results.middle(key, name, field)
    return short(None if value is None else value / scale)


def comparison(results, key, field, limit):
    """Ours of the best, ours of the reference, and least and most of the first"""
    ours, best = allocators.OURS, results.best(key, field)
    if ours not in results.names or best is None:
        return []
    ratio = results.to_best(key, ours, field)
    cells = [emphasised(ratio, f"{plain(ratio)} ({best})", limit)]
    if allocators.REFERENCE in results.names:
        cells.append(plain(results.ratio(key, ours, allocators.REFERENCE, field)))
    span = results.within_rounds(key, ours, best, field)
    cells.append("-" if span is None else f"{span[0]:.2f}..{span[1]:.2f}")
    return cells


def main_table(results, keys, field, scale, limit):
    head = ["case", *results.names]
    if allocators.OURS in results.names and results.peers:
        head += ["of the best"]
        head += ["of " + allocators.REFERENCE] if allocators.REFERENCE in results.names else []
        head += ["within rounds"]
    rows = []
    for key in keys:
        cells = [f"{key.split('/')[1]}: {results.title(key)}"]
        cells += [cell(results, key, name, field, scale) for name in results.names]
        rows.append(cells + comparison(results, key, field, limit))
    return table(head, rows)


def means_table(results, groups):
    """Geometric means: of each allocator's time and memory, over ours' reference and the best"""
    lines = []
    fields = [("time", TIME), ("peak memory", MEMORY), ("growth of memory", GROWN),
              (COUNTS, COUNTS)]
    for title, keys in groups:
        rows = []
        for what, field in fields:
            for other in [allocators.REFERENCE, "the best peer"]:
                cells = [f"{what}, of {other}"]
                for name in results.names:
                    def ratio(key, name=name, other=other, field=field):
                        if other == allocators.REFERENCE:
                            return results.ratio(key, name, other, field)
                        return results.to_best(key, name, field)
                    mean, count = results.geometric(keys, ratio)
                    partial = "" if count == len(keys) else f" ({count} of {len(keys)})"
                    cells.append(plain(mean) + (partial if count else ""))
                if any(text != "-" for text in cells[1:]):
                    rows.append(cells)
        if rows:
            lines += [f"### {title}: geometric means", "", *table(["", *results.names], rows)]
    return lines


def worst_table(results, keys, count):
    """Where ours is worst, by each measure"""
    ours = allocators.OURS
    measures = []
    for what, field in [("time", TIME), ("peak memory", MEMORY)]:
        measures.append((f"{what}, of the best peer",
                         lambda key, field=field: results.to_best(key, ours, field)))
        measures.append((f"{what}, of {allocators.REFERENCE}",
                         lambda key, field=field:
                         results.ratio(key, ours, allocators.REFERENCE, field)))
    columns = []
    for _, measure in measures:
        ranked = sorted(((measure(key), key) for key in keys if measure(key)), reverse=True)
        columns.append([f"{ratio:.2f} {key}" for ratio, key in ranked[:count]])
    rows = [[str(place + 1), *[column[place] if place < len(column) else "-"
                               for column in columns]] for place in range(count)]
    return table(["", *[what for what, _ in measures]], rows)


def aims_table(results, keys):
    """What the project wants of patterns and replays, and what is measured"""
    ours, reference = allocators.OURS, allocators.REFERENCE

    def mean(field, other):
        return results.geometric(keys, lambda key: results.to_best(key, ours, field)
                                 if other is None else results.ratio(key, ours, other, field))[0]

    def verdict(value, limit):
        return "-" if value is None else "met" if value <= limit else "missed"

    over = [key for key in keys if (results.to_best(key, ours, TIME) or 0) > WORST_AIM]
    time, best, memory = mean(TIME, reference), mean(TIME, None), mean(MEMORY, reference)
    least = {name: mean(MEMORY, name) for name in results.peers}
    above = [name for name, value in least.items() if value is not None and value >= 1]
    return table(["aim, over patterns and replays", "wanted", "measured", ""], [
        [f"time, geometric mean, of {reference}", "0.90", plain(time), verdict(time, 0.90)],
        ["time, geometric mean, of the best peer of each case", "1.00", plain(best),
         verdict(best, 1.00)],
        [f"cases over {WORST_AIM} of the best peer", "0", f"{len(over)} of {len(keys)}",
         verdict(len(over), 0)],
        [f"peak memory, geometric mean, of {reference}", "0.45", plain(memory),
         verdict(memory, 0.45)],
        ["peers whose peak memory is less, geometric mean", "none", ", ".join(above) or "none",
         verdict(len(above), 0)]])


def markdown(results, heading):
    lines = [*heading, ""]
    kinds = results.kinds()
    aimed = results.of_kinds(AIMED)
    groups = []
    if allocators.OURS in results.names and aimed:
        lines += ["### The aims", "", *aims_table(results, aimed)]
    if len([kind for kind in kinds if kind in AIMED]) > 1:
        groups.append(("Patterns and replays", aimed))
    groups += [(kind.capitalize(), results.of_kinds([kind])) for kind in kinds]
    lines += means_table(results, groups)
    everything = [key for key in results.of_kinds(kinds) if results.cases[key][0] != COUNTS]
    if everything and allocators.OURS in results.names and results.peers:
        lines += ["### Where ours is worst", "", *worst_table(results, everything, 10)]
    for kind in kinds:
        keys = results.of_kinds([kind])
        if kind == COUNTS:
            lines += ["### Instructions of a pattern's operation, the harness's own included", ""]
            lines += main_table(results, keys, COUNTS, 1, WORST_AIM)
            continue
        unit, scale = ("ns for each operation", 1) if kind in COUNTED else ("ms", 1e6)
        lines += [f"### {kind.capitalize()}: processor time, {unit}", ""]
        lines += main_table(results, keys, TIME, scale, WORST_AIM)
        lines += [f"### {kind.capitalize()}: peak resident memory, MiB", ""]
        lines += main_table(results, keys, MEMORY, 1024, math.inf)
    return "\n".join(lines)
