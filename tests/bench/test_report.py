"""The arithmetic of the benchmark's report, on runs whose ratios are known beforehand."""
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from suite import chart, report  # noqa: E402


def run(name, allocator, number, cpu_ns, memory_kib=1000, kind="patterns"):
    return {"kind": kind, "name": name, "title": f"the {name}", "allocator": allocator,
            "round": number, "cpu_ns": cpu_ns, "memory_kib": memory_kib, "operations": 10}


RUNS = [
    # Medians 200, 100 and 400, though means and extremes differ.
    *[run("a", "ashlar", i, ns) for i, ns in enumerate([190, 200, 2000])],
    *[run("a", "mimalloc", i, ns, 500) for i, ns in enumerate([100, 90, 900])],
    *[run("a", "glibc", i, ns, 4000) for i, ns in enumerate([400, 400, 400])],
    # Here the C library is the best, and ours half of the reference.
    run("b", "ashlar", 0, 50), run("b", "mimalloc", 0, 100), run("b", "glibc", 0, 25),
    # Ours did not come through: no ratio, no part in the means.
    {"kind": "patterns", "name": "c", "title": "the c", "allocator": "ashlar", "round": 0,
     "failed": "over 100 s"},
    run("c", "mimalloc", 0, 100), run("c", "glibc", 0, 100),
]
KEYS = ["patterns/a", "patterns/b", "patterns/c"]


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.results = report.Results(RUNS)

    def test_figures_are_medians(self):
        self.assertEqual(self.results.middle("patterns/a", "ashlar", "cpu_ns"), 200)

    def test_the_best_peer_is_never_ours_and_changes_with_the_case_and_the_measure(self):
        self.assertEqual(self.results.best("patterns/a", "cpu_ns"), "mimalloc")
        self.assertEqual(self.results.best("patterns/b", "cpu_ns"), "glibc")
        self.assertEqual(self.results.best("patterns/a", "memory_kib"), "mimalloc")

    def test_ratios(self):
        self.assertEqual(self.results.to_best("patterns/a", "ashlar", "cpu_ns"), 2)
        self.assertEqual(self.results.ratio("patterns/b", "ashlar", "mimalloc", "cpu_ns"), 0.5)
        self.assertIsNone(self.results.to_best("patterns/c", "ashlar", "cpu_ns"))

    def test_rounds_are_compared_with_themselves(self):
        least, most = self.results.within_rounds("patterns/a", "ashlar", "mimalloc", "cpu_ns")
        self.assertAlmostEqual(least, 1.9)
        self.assertAlmostEqual(most, 2000 / 900)

    def test_geometric_mean_leaves_out_what_failed_and_says_so(self):
        mean, count = self.results.geometric(
            KEYS, lambda key: self.results.to_best(key, "ashlar", "cpu_ns"))
        self.assertAlmostEqual(mean, 2)  # of 2 and 2
        self.assertEqual(count, 2)
        text = report.markdown(self.results, ["heading"])
        self.assertIn("(2 of 3)", text)
        self.assertIn("over 100 s", text)

    def test_what_misses_the_aim_is_bold(self):
        text = report.markdown(self.results, ["heading"])
        self.assertIn("**2.00 (mimalloc)**", text)
        self.assertIn("2.00 patterns/a", text)

    def test_aims_are_judged(self):
        text = report.markdown(self.results, ["heading"])
        # of mimalloc 2 and 0.5; of the best 2 and 2; memory 2 and 1 of mimalloc, 0.25 and 1 of glibc
        for line in ("of mimalloc | 0.90 | 1.00 | missed |", "each case | 1.00 | 2.00 | missed |",
                     "over 1.15 of the best peer | 0 | 2 of 3 | missed |",
                     "of mimalloc | 0.45 | 1.41 | missed |", "| none | mimalloc | missed |"):
            self.assertIn(line, text)

    def test_charts_hold_every_allocator(self):
        picture = chart.ratios(self.results, KEYS)
        for hint in ("a: ashlar 2.00", "b: ashlar 0.50", "b: glibc 0.25"):
            self.assertIn(hint, picture)
        self.assertNotIn("c: ashlar", picture)
        sizes = report.Results([run(str(16 << i), name, 0, 100 * i, kind="sizes")
                                for i in range(1, 4) for name in ("ashlar", "glibc")])
        self.assertIn("glibc: 30.0 ns at 128", chart.curves(sizes, str, str))


if __name__ == "__main__":
    unittest.main()
