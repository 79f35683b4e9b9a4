#!/usr/bin/env python3
"""Keeps the house rules that a compiler does not: layers, banned calls, shape, links.

usage: lint.py [--root DIR] {layers,calls,shape,links}...

1. Purpose. Each rule here protects a property that the project promises and that nobody would see
   breaking: a heap core that allocates, a checker that aborts, an oracle that learnt about the core
   it judges. A rule that cannot be kept in one place gets an exception in EXCEPTIONS, with the
   reason beside it; a reviewer reads those and nothing else.
2. Method. Text, not a parser: the sources are formatted by clang-format (another test says so), so
   a function starts in column 0 and ends at a brace in column 0. Comments and strings are blanked
   before rules look, so that prose may name what code may not.
3. Failing. One line per breach, `file:line: rule: what`, and exit 1. selftest.py plants a breach of
   every rule and expects exactly that line.
"""

import os
import re
import sys

C_SUFFIXES = (".c", ".h", ".cc", ".cpp", ".hpp")
SKIPPED_FOLDERS = {"build", "out", ".git", "__pycache__"}

# Layers -------------------------------------------------------------------------------------------
# A folder includes its own headers and those of the folders named here. Order and rights are those
# of docs/ARCHITECTURE.md.
LAYERS = {
    "src/base": [],
    "src/os": ["src/base"],
    "src/heap": ["src/base", "src/os"],
    "src/check": ["src/base", "src/os", "src/heap"],
    "src/diag": ["src/base", "src/os", "src/heap", "src/check"],
    "src/front": ["src/base", "src/os", "src/heap", "src/check", "src/diag"],
    # Not the core: an oracle that knows what it judges repeats its mistakes.
    "src/trace": ["src/base", "src/os"],
    # Lives in other people's programs: nothing of the heap, so that it works over any allocator.
    "src/record": ["src/base", "src/os"],
    "cli": ["src/base", "src/os", "src/heap", "src/check", "src/diag", "src/trace", "src/record"],
    "fuzz": ["src/base", "src/os", "src/heap", "src/check", "src/diag", "src/front", "src/trace"],
    "bench": ["src/base", "src/os", "src/heap", "src/check", "src/diag", "src/front", "src/trace"],
    "include/ashlar": [],
}
# The layer that a public header belongs to: a folder may include it when it may include the layer.
PUBLIC = {
    "finding.h": "src/base",
    "findings.def": "src/base",
    "os.h": "src/os",
    "heap.h": "src/heap",
    "check.h": "src/check",
    "ashlar.h": "src/front",
    "target.h": "src/trace",
    "trace.h": "src/trace",
}
# Folders that see the core through its public headers only.
PUBLIC_ONLY = {
    "src/trace": ["src/heap", "src/check"],
    "src/record": ["src/heap", "src/check", "src/trace"],
}

# Calls --------------------------------------------------------------------------------------------
MALLOC = "malloc calloc realloc free aligned_alloc posix_memalign memalign strdup strndup asprintf"
STDIO = ("printf fprintf vprintf vfprintf puts fputs putchar fopen fdopen fclose fread fwrite "
         "fgets fflush perror snprintf vsnprintf sscanf scanf fscanf getline")
UNSAFE = ("strcpy strcat strncpy strncat sprintf vsprintf gets atoi atol atoll atof strtok alloca "
          "tmpnam tempnam mktemp rand srand")
MEMORY = "mmap mmap64 munmap mprotect madvise mremap mincore brk sbrk syscall"
THREADS = "pthread_create pthread_mutex_lock pthread_getspecific pthread_setspecific thrd_create"
CALLS = [
    # rule, names, folders ("" for all), why
    ("unsafe", UNSAFE, [""], "has no bound, or no way to tell that it failed"),
    ("malloc", MALLOC, ["src/base", "src/os", "src/heap", "src/check", "src/diag"],
     "these layers serve malloc and may not call it"),
    ("stdio", STDIO, ["src/base", "src/os", "src/heap", "src/check", "src/diag"],
     "stdio allocates and locks"),
    ("memory", MEMORY, ["src", "cli"], "memory system calls belong to src/os"),
    ("threads", THREADS, ["src/base", "src/heap", "src/check", "src/trace"],
     "thread heaps are arguments here, so that tests are deterministic"),
    ("abort", "abort exit _exit ash_panic ASH_ASSERT", ["src/check"],
     "the checker reports; it never ends the process"),
]
WORDS = [
    ("tls", "_Thread_local __thread thread_local",
     ["src/base", "src/heap", "src/check", "src/trace"],
     "thread-local state belongs to the front end"),
]
HEADERS = [
    ("header", "stdio.h stdlib.h pthread.h threads.h", ["src/heap", "src/check"],
     "nothing in it may be used here"),
]

# What a file may do against a rule above, and why.
EXCEPTIONS = {
    ("memory", "src/os/"): "this is the place",
    ("memory", "src/record/log.c"): "maps its log in a foreign process, over no heap of ours",
    ("memory", "src/record/assemble.c"): "maps the log's files to read them",
    ("memory", "cli/isolate.c"): "shares a page of results with its child",
    ("threads", "src/trace/target_threads.c"): "one runs at a time, in the order of the trace",
    ("header", "src/heap/misuse.c"): "abort, in the default handler alone",
    ("layers", "src/trace/target_core.c"): "the one adapter that knows the core",
    ("columns", "src/base/plants.def"): "one row is one line: CMake and scripts read it",
}

FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100


def excepted(rule, path):
    return any(rule == r and path.startswith(p) for (r, p) in EXCEPTIONS)


def files(root, suffixes, folders=("",)):
    """Paths below the root, with forward slashes, sorted: the same order on every machine."""
    found = []
    for place, names, leaves in os.walk(root):
        names[:] = [n for n in names if n not in SKIPPED_FOLDERS and
                    (not n.startswith(".") or n == ".ci")]
        for leaf in leaves:
            path = os.path.relpath(os.path.join(place, leaf), root).replace(os.sep, "/")
            if path.endswith(suffixes) and any(within(path, f) for f in folders):
                found.append(path)
    return sorted(found)


def within(path, folder):
    return folder == "" or path.startswith(folder + "/")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as stream:
        return stream.read()


COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blanked(text):
    """The text with comments and the insides of strings turned to spaces; lines stay in place."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return COMMENT_OR_STRING.sub(blank, text)


def layer_of(path):
    for folder in LAYERS:
        if within(path, folder):
            return folder
    return None


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def includes(text):
    # Comments may quote an include; it starts a line only in code, or in a comment's own line that
    # begins with a star.
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def resolve(root, path, name):
    """The path below the root that a quoted include means; None when it is not ours."""
    for base in (os.path.dirname(path), "src", ""):
        candidate = os.path.normpath(os.path.join(base, name)).replace(os.sep, "/")
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_layers(root):
    for path in files(root, C_SUFFIXES + (".def",)):
        layer = layer_of(path)
        if layer is None or excepted("layers", path):
            continue
        for line, mark, name in includes(read(root, path)):
            if name.startswith("ashlar/"):
                yield from check_public_include(layer, path, line, name)
                continue
            if layer == "include/ashlar" and mark == '"':
                yield path, line, "layers", f'a public header includes "{name}"'
                continue
            target = resolve(root, path, name) if mark == '"' else None
            target_layer = layer_of(target) if target else None
            if mark == '"' and target is None:
                yield path, line, "layers", f'"{name}" is not in the tree'
            elif target and target_layer is None:
                yield path, line, "layers", f"{layer} includes {target}, which is in no layer"
            elif target and target_layer not in (layer, *LAYERS[layer]):
                yield path, line, "layers", f"{layer} includes {target}"


def check_public_include(layer, path, line, name):
    header = name[len("ashlar/"):]
    owner = PUBLIC.get(header)
    if owner is None:
        yield path, line, "layers", f"<{name}> has no layer: add it to PUBLIC in tests/lint/lint.py"
    elif layer == "include/ashlar":
        own = PUBLIC.get(path.rsplit("/", 1)[-1])
        if own and owner not in (own, *LAYERS[own], *PUBLIC_ONLY.get(own, [])):
            yield path, line, "layers", f"a header of {own} includes <{name}> of {owner}"
    elif owner not in (layer, *LAYERS[layer], *PUBLIC_ONLY.get(layer, [])):
        yield path, line, "layers", f"{layer} includes <{name}> of {owner}"


def check_calls(root):
    for path in files(root, C_SUFFIXES):
        text = read(root, path)
        code = blanked(text)
        for rule, names, folders, why in CALLS:
            # Not a member (`target->malloc(...)`), not part of a longer name.
            pattern = r"(?<![\w.>])(%s)\s*\(" % "|".join(map(re.escape, names.split()))
            yield from matches(path, code, pattern, rule, folders, why)
        for rule, names, folders, why in WORDS:
            pattern = r"\b(%s)\b" % "|".join(names.split())
            yield from matches(path, code, pattern, rule, folders, why)
        for rule, names, folders, why in HEADERS:
            if any(within(path, f) for f in folders) and not excepted(rule, path):
                for line, _, name in includes(text):
                    if name in names.split():
                        yield path, line, rule, f"<{name}>: {why}"


def matches(path, code, pattern, rule, folders, why):
    if not any(within(path, f) for f in folders) or excepted(rule, path):
        return
    for match in re.finditer(pattern, code):
        yield path, code.count("\n", 0, match.start()) + 1, rule, f"{match.group(1)}: {why}"


def check_shape(root):
    for path in files(root, C_SUFFIXES + (".def",)):
        text = read(root, path)
        lines = text.split("\n")
        if not text.startswith("/*"):
            yield path, 1, "theory", "a file opens with a comment that says what it is for"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and not excepted("columns", path):
                yield path, number, "columns", f"{len(line)} columns"
            if line != line.rstrip() or "\t" in line:
                yield path, number, "space", "tab, or space at the end"
        yield from check_conditionals(path, blanked(text).split("\n"))
        yield from check_functions(path, lines, blanked(text).split("\n"))


def check_conditionals(path, code):
    """Configuration is an `if` on a constant, so that every branch compiles in every build."""
    if within(path, "src/base") or within(path, "src/os") or excepted("conditional", path):
        return
    for number, line in enumerate(code, 1):
        match = re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b(.*)", line)
        if not match:
            continue
        condition = match.group(2).strip()
        following = code[number].strip() if number < len(code) else ""
        guard = match.group(1) == "ifndef" and following == f"#define {condition}"
        if guard or condition == "__cplusplus":
            continue
        if within(path, "include") and "defined(__" in condition + following:
            continue
        yield (path, number, "conditional",
               f"#{match.group(1)} {condition}: #if stays in src/base and src/os")


def check_functions(path, lines, code):
    start = body = None
    for number, line in enumerate(code, 1):
        if body is None:
            if line[:1].strip() and line[0] not in "#}{":
                start = number
            if start and line.rstrip().endswith("{"):
                signature = " ".join(code[start - 1:number])
                if "(" in signature and not re.search(r"=\s*\{$", signature.rstrip()):
                    body = number
                else:
                    start = None
            elif line.rstrip().endswith(";"):
                start = None
        elif line.startswith("}"):
            length = number - start + 1
            if length > FUNCTION_LINES_MAX and not has_reason(lines, start):
                yield (path, start, "length", f"{length} lines; split it, or say why not in a line "
                       "`/* long: why */` before it")
            start = body = None


def has_reason(lines, start):
    before = start - 2
    while before >= 0 and lines[before].strip():
        if "long: " in lines[before]:
            return True
        before -= 1
    return False


LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`((?:src|include|cli|fuzz|corpus|tests|bench|docs|scripts|\.ci)/[\w./-]*)`")


def anchors(text):
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def check_links(root):
    for path in files(root, (".md",)):
        text = re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                      read(root, path), flags=re.M | re.S)
        for match in LINK.finditer(text):
            target, line = match.group(1), text.count("\n", 0, match.start()) + 1
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            where = path if not name else os.path.normpath(
                os.path.join(os.path.dirname(path), name)).replace(os.sep, "/")
            if not os.path.exists(os.path.join(root, where)):
                yield path, line, "links", f"{target}: there is no {where}"
            elif anchor and where.endswith(".md") and anchor not in anchors(read(root, where)):
                yield path, line, "links", f"{target}: {where} has no such heading"
        if path == "CHANGELOG.md":
            continue  # names what was there then
        for match in TICKED.finditer(text):
            if not os.path.exists(os.path.join(root, match.group(1))):
                line = text.count("\n", 0, match.start()) + 1
                yield path, line, "links", f"`{match.group(1)}` is not in the tree"


CHECKS = {"layers": check_layers, "calls": check_calls, "shape": check_shape, "links": check_links}


def main(arguments):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if arguments[:1] == ["--root"]:
        root, arguments = arguments[1], arguments[2:]
    if not arguments or any(a not in CHECKS for a in arguments):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    breaches = 0
    for name in arguments:
        for path, line, rule, what in CHECKS[name](root):
            print(f"{path}:{line}: {rule}: {what}")
            breaches += 1
    print(f"{', '.join(arguments)}: {breaches} breaches in {len(files(root, C_SUFFIXES))} sources")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
