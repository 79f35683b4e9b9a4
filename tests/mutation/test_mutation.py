"""Which mutants a source has, that they are sampled evenly, that the list of equivalents is neither
stale nor unread; and, given a build, that mutants die, live, or are found to be the original."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import mutation  # noqa: E402

SOURCE = """\
#define TWICE(x) ((x) + 1)
enum { LIMIT = 8 };
static const int table[] = {1, 2};

/* a < b */
static unsigned f(unsigned a, struct s *b) {
    ASH_ASSERT(a < 4);
    struct pair p = {a, 1};
    if (a <= LIMIT && ASH_PLANTED(3)) a++;
    if (a == 0) return 7;
    b->next = a != 0 ? p.x : "a + b"[0];
    for (unsigned i = 0; i < a; i++) g(b,
        i);
    return a;
}
"""
MUTANTS = [
    ("enum", "constant", "enum { LIMIT = 8 };", "enum { LIMIT = 9 };"),
    ("f", "constant", "struct pair p = {a, 1};", "struct pair p = {a, 2};"),
    ("f", "branch", "if (a == 0) return 7;", "if (!(a == 0)) return 7;"),
    ("f", "compare", "if (a == 0) return 7;", "if (a != 0) return 7;"),
    ("f", "constant", "if (a == 0) return 7;", "if (a == 1) return 7;"),
    ("f", "constant", "if (a == 0) return 7;", "if (a == 0) return 8;"),
    ("f", "remove", "return 7;", ""),
    ("f", "compare", 'b->next = a != 0 ? p.x : "a + b"[0];', 'b->next = a == 0 ? p.x : "a + b"[0];'),
    ("f", "constant", 'b->next = a != 0 ? p.x : "a + b"[0];', 'b->next = a != 1 ? p.x : "a + b"[0];'),
    ("f", "branch", 'b->next = a != 0 ? p.x : "a + b"[0];', 'b->next = a != 0 ? "a + b"[0] : p.x ;'),
    ("f", "constant", 'b->next = a != 0 ? p.x : "a + b"[0];', 'b->next = a != 0 ? p.x : "a + b"[1];'),
    ("f", "remove", 'b->next = a != 0 ? p.x : "a + b"[0];', ""),
    ("f", "constant", "for (unsigned i = 0; i < a; i++) g(b,", "for (unsigned i = 1; i < a; i++) g(b,"),
    ("f", "compare", "for (unsigned i = 0; i < a; i++) g(b,", "for (unsigned i = 0; i <= a; i++) g(b,"),
    ("f", "arithmetic", "for (unsigned i = 0; i < a; i++) g(b,", "for (unsigned i = 0; i < a; i--) g(b,"),
    ("f", "remove", "g(b, i);", ""),
]
LISTED = """
[[mutant]]
file = "x.c"
function = "f"
source = "if (a == 0) return 7;"
mutant = "if (a == 1) return 7;"
kind = "same"
why = "nobody calls it with either of them"
"""


def mutants_of(text, name="x.c"):
    with tempfile.TemporaryDirectory() as root:
        (pathlib.Path(root) / name).write_text(text)
        return mutation.of_file(root, name)


class MutantsTest(unittest.TestCase):
    def test_each_place_has_its_mutants_and_no_other_has_any(self):
        found = [(m.function, m.operator, m.source, m.mutant) for m in mutants_of(SOURCE)]
        self.assertEqual(sorted(found), sorted(MUTANTS))

    def test_a_header_keeps_its_constants(self):
        self.assertNotIn("enum", {m.function for m in mutants_of(SOURCE, "x.h")})

    def test_a_mutant_changes_its_place_alone_and_moves_no_line(self):
        for mutant in mutants_of(SOURCE):
            text = mutation.mutated(SOURCE, mutant)
            self.assertEqual(text.count("\n"), SOURCE.count("\n"))
            self.assertEqual(text[:mutant.start], SOURCE[:mutant.start])
            self.assertTrue(text.endswith(SOURCE[mutant.end:]))

    def test_a_sample_is_even_and_repeats(self):
        both = mutants_of(SOURCE) + [m._replace(file="y.c") for m in mutants_of(SOURCE)]
        chosen = mutation.sample(both, 10, 1)
        self.assertEqual(chosen, mutation.sample(both, 10, 1))
        self.assertNotEqual(chosen, mutation.sample(both, 10, 2))
        for file in ("x.c", "y.c"):
            operators = [m.operator for m in chosen if m.file == file]
            self.assertEqual(len(operators), 5)
            self.assertEqual(len(set(operators)), 5)


class ListTest(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as stream:
            stream.write(text)
            stream.flush()
            return mutation.explained(stream.name, mutants_of(SOURCE))

    def test_a_row_names_its_mutant(self):
        found, wrong = self.read(LISTED)
        self.assertEqual(wrong, [])
        self.assertEqual([(m.mutant, why.kind) for m, why in found.items()],
                         [("if (a == 1) return 7;", "same")])

    def test_a_row_whose_line_is_gone_is_stale(self):
        _, wrong = self.read(LISTED.replace("(a == 0)", "(a == 5)"))
        self.assertEqual(len(wrong), 1)
        self.assertIn("stale", wrong[0])

    def test_a_row_needs_a_reason(self):
        _, wrong = self.read(LISTED.replace("nobody calls it with either of them", "so"))
        self.assertIn("no reason", wrong[0])


    def test_the_list_is_true_of_the_sources(self):
        """When it fails, a listed line was changed: look whether the reason still holds, and change
        or drop its row."""
        _, wrong = mutation.explained(ROOT / mutation.LIST,
                                      mutation.of_layers(ROOT, mutation.LAYERS))
        self.assertEqual(wrong, [])


class RunTest(unittest.TestCase):
    build = None

    def run_on(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [ROOT / "scripts" / "mutate", "--build", self.build, "--fuzz-time", "0",
                 "--results", f"{folder}/results", *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            return done.returncode, done.stdout

    def test_a_test_kills(self):
        status, text = self.run_on("--file", "src/heap/classes.c", "--test", "heap.classes",
                                   "--match", "class_index < ASH_CLASS_COUNT")
        self.assertIn("killed by: heap.classes 3", text)
        self.assertEqual(status, 0, text)

    def test_what_no_test_sees_survives(self):
        status, text = self.run_on("--file", "src/heap/classes.c", "--test", "heap.races",
                                   "--match", "return bytes <= ASH_CLASS_BYTES_MAX")
        self.assertIn("survived: compare    src/heap/classes.c", text)
        self.assertEqual(status, 1, text)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        RunTest.build = sys.argv.pop(1)
        unittest.main(defaultTest="RunTest")
    unittest.main(defaultTest=["MutantsTest", "ListTest"])
