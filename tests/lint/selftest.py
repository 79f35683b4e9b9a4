#!/usr/bin/env python3
"""Plants a breach of every rule of lint.py in a tree of its own and expects exactly that line.

A lint that finds nothing looks the same as a lint that is broken; this tells them apart.
"""

import os
import subprocess
import sys
import tempfile

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint.py")
C = "/* Theory. */\n"

# name: ({path: text}, check, the line expected or None for a clean tree)
CASES = {
    "downward include": (
        {"src/heap/a.c": C + '#include "base/base.h"\n#include "b.h"\n',
         "src/heap/b.h": C, "src/base/base.h": C}, "layers", None),
    "upward include": (
        {"src/heap/a.c": C + '#include "check/pass.h"\n', "src/check/pass.h": C},
        "layers", "src/heap/a.c:2: layers: src/heap includes src/check/pass.h"),
    "include by a path with dots": (
        {"src/base/a.c": C + '#include "../heap/layout.h"\n', "src/heap/layout.h": C},
        "layers", "src/base/a.c:2: layers: src/base includes src/heap/layout.h"),
    "the oracle looks into the core": (
        {"src/trace/oracle.c": C + '#include "heap/layout.h"\n', "src/heap/layout.h": C},
        "layers", "src/trace/oracle.c:2: layers: src/trace includes src/heap/layout.h"),
    "the core target may": (
        {"src/trace/target_core.c": C + '#include "heap/layout.h"\n', "src/heap/layout.h": C},
        "layers", None),
    "fuzz includes cli": (
        {"fuzz/a.c": C + '#include "cli/command.h"\n', "cli/command.h": C},
        "layers", "fuzz/a.c:2: layers: fuzz includes cli/command.h"),
    "a layer includes a test": (
        {"src/heap/a.c": C + '#include "tests/x.h"\n', "tests/x.h": C},
        "layers", "src/heap/a.c:2: layers: src/heap includes tests/x.h, which is in no layer"),
    "an include that is nowhere": (
        {"src/heap/a.c": C + '#include "gone.h"\n'},
        "layers", 'src/heap/a.c:2: layers: "gone.h" is not in the tree'),
    "public header with a private include": (
        {"include/ashlar/heap.h": C + '#include "heap/layout.h"\n', "src/heap/layout.h": C},
        "layers",
        'include/ashlar/heap.h:2: layers: a public header includes "heap/layout.h"'),
    "public header includes upward": (
        {"include/ashlar/heap.h": C + "#include <ashlar/check.h>\n"},
        "layers", "include/ashlar/heap.h:2: layers: a header of src/heap includes <ashlar/check.h> "
        "of src/check"),
    "a layer includes a later public header": (
        {"src/os/a.c": C + "#include <ashlar/heap.h>\n"},
        "layers", "src/os/a.c:2: layers: src/os includes <ashlar/heap.h> of src/heap"),
    "the oracle includes a public header": (
        {"src/trace/oracle.c": C + "#include <ashlar/check.h>\n"}, "layers", None),
    "an unknown public header": (
        {"src/os/a.c": C + "#include <ashlar/new.h>\n"},
        "layers", "src/os/a.c:2: layers: <ashlar/new.h> has no layer: add it to PUBLIC in "
        "tests/lint/lint.py"),
    "strcpy": (
        {"cli/a.c": C + "void f(char *a) {\n    strcpy(a, \"x\");\n}\n"},
        "calls", "cli/a.c:3: unsafe: strcpy: has no bound, or no way to tell that it failed"),
    "strcpy in prose and in a string": (
        {"cli/a.c": C + "/* strcpy(a) is banned */\nconst char *s = \"strcpy(a)\";\n"},
        "calls", None),
    "malloc in the heap": (
        {"src/heap/a.c": C + "void *p = malloc(3);\n"},
        "calls", "src/heap/a.c:2: malloc: malloc: these layers serve malloc and may not call it"),
    "a member called malloc, our own malloc": (
        {"src/heap/a.c": C + "void f(void) {\n    t->malloc(3);\n    ashlar_malloc(t, 3);\n}\n"},
        "calls", None),
    "malloc in the trace layer": ({"src/trace/a.c": C + "void *p = malloc(3);\n"}, "calls", None),
    "stdio in the checker": (
        {"src/check/a.c": C + "void f(void) {\n    printf(\"x\");\n}\n"},
        "calls", "src/check/a.c:3: stdio: printf: stdio allocates and locks"),
    "thread-local state in the heap": (
        {"src/heap/a.c": C + "static _Thread_local int x;\n"},
        "calls", "src/heap/a.c:2: tls: _Thread_local: thread-local state belongs to the front end"),
    "mmap outside src/os": (
        {"src/heap/a.c": C + "void *p = mmap(0);\n"},
        "calls", "src/heap/a.c:2: memory: mmap: memory system calls belong to src/os"),
    "mmap in src/os": ({"src/os/a.c": C + "void *p = mmap(0);\n"}, "calls", None),
    "a checker that aborts": (
        {"src/check/a.c": C + "void f(void) {\n    abort();\n}\n"},
        "calls", "src/check/a.c:3: abort: abort: the checker reports; it never ends the process"),
    "threads in the heap": (
        {"src/heap/a.c": C + "void f(void) {\n    pthread_mutex_lock(0);\n}\n"},
        "calls", "src/heap/a.c:3: threads: pthread_mutex_lock: thread heaps are arguments here, so "
        "that tests are deterministic"),
    "stdlib.h in the heap": (
        {"src/heap/a.c": C + "#include <stdlib.h>\n"},
        "calls", "src/heap/a.c:2: header: <stdlib.h>: nothing in it may be used here"),
    "no theory": (
        {"src/heap/a.c": "int x;\n"},
        "shape", "src/heap/a.c:1: theory: a file opens with a comment that says what it is for"),
    "100 columns": ({"src/heap/a.c": C + "/* " + "x" * 94 + " */\n"}, "shape", None),
    "101 columns": (
        {"src/heap/a.c": C + "/* " + "x" * 95 + " */\n"},
        "shape", "src/heap/a.c:2: columns: 101 columns"),
    "a tab": (
        {"src/heap/a.c": C + "\tint x;\n"},
        "shape", "src/heap/a.c:2: space: tab, or space at the end"),
    "70 lines": (
        {"src/heap/a.c": C + "int f(void) {\n" + "    x;\n" * 68 + "}\n"}, "shape", None),
    "71 lines": (
        {"src/heap/a.c": C + "int f(void) {\n" + "    x;\n" * 69 + "}\n"},
        "shape", "src/heap/a.c:2: length: 71 lines; split it, or say why not in a line "
        "`/* long: why */` before it"),
    "71 lines, arguments on two": (
        {"src/heap/a.c": C + "int f(int a,\n      int b) {\n" + "    x;\n" * 68 + "}\n"},
        "shape", "src/heap/a.c:2: length: 71 lines; split it, or say why not in a line "
        "`/* long: why */` before it"),
    "71 lines with a reason": (
        {"src/heap/a.c": C + "\n/* long: one table. */\nint f(void) {\n" + "    x;\n" * 69 +
         "}\n"}, "shape", None),
    "71 lines of table": (
        {"src/heap/a.c": C + "int t[] = {\n" + "    1,\n" * 69 + "};\n"}, "shape", None),
    "#if": (
        {"src/heap/a.c": C + "#ifdef __linux__\n#endif\n"},
        "shape", "src/heap/a.c:2: conditional: #ifdef __linux__: #if stays in src/base and src/os"),
    "#if in src/os": ({"src/os/a.c": C + "#ifdef __linux__\n#endif\n"}, "shape", None),
    "include guard and C++": (
        {"include/ashlar/heap.h": C + "#ifndef ASH_A_H\n#define ASH_A_H\n#ifdef __cplusplus\n"
         "#endif\n#endif\n"}, "shape", None),
    "a link to nothing": (
        {"docs/A.md": "# A\nsee [b](B.md)\n"},
        "links", "docs/A.md:2: links: B.md: there is no docs/B.md"),
    "a link to a heading that is not there": (
        {"docs/A.md": "# A\nsee [b](#c)\n"},
        "links", "docs/A.md:2: links: #c: docs/A.md has no such heading"),
    "links that hold": (
        {"docs/A.md": "# A b\nsee [b](#a-b), [c](../src/heap/a.c), [d](https://example.org/)\n",
         "src/heap/a.c": C}, "links", None),
    "a path in prose that is not there": (
        {"README.md": "# A\n`src/heap/gone.c`\n"},
        "links", "README.md:2: links: `src/heap/gone.c` is not in the tree"),
}


def run(tree, check):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as stream:
                stream.write(text)
        done = subprocess.run([sys.executable, LINT, "--root", root, check],
                              stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[:-1]


def main():
    failed = 0
    for name, (tree, check, expected) in CASES.items():
        status, lines = run(tree, check)
        want = (0, []) if expected is None else (1, [expected])
        if (status, lines) != want:
            failed += 1
            print(f"{name}: expected {want}, got {(status, lines)}")
    print(f"{len(CASES)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
