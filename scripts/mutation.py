"""Mutants of C sources, as scripts/mutate makes and runs them.

1. Method. Text, as in tests/lint/lint.py: the sources are formatted by clang-format, so a function
   starts in column 0 and ends at a brace in column 0, a binary operator has blanks on both sides,
   and the brace of a block follows one. Comments and strings are blanked before anything looks.
2. What is changed, one place for each mutant: the bodies of functions, and the values of enum
   constants that are a source's own.

       compare     < <=   > >=   == !=       each to the other of its pair
       logic       && ||
       arithmetic  + -   * /   % /   << >>   & |   ^ &, with = too, and ++ --
       constant    a number to the next one, true and false
       branch      if (!(...)), and the two arms of ?: swapped
       remove      a statement: an assignment, a call, a jump under a condition

3. What is not: assertions, yield points, prefetches, assembly, and lines with a planted bug, which
   are mutants of their own (src/base/plants.def).
"""
import random
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
UNTOUCHED = re.compile(r"\b(?:ASH_ASSERT|ASH_YIELD|static_assert|__builtin_prefetch|__asm__|"
                       r"__attribute__|ASH_OPAQUE)\s*\(")
TOKEN = re.compile(
    r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*|->|<<=|>>=|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||"
    r"[-+*/%&|^]=|\S")

PAIRS = [("compare", "< <=", "<= <", "> >=", ">= >", "== !=", "!= =="),
         ("logic", "&& ||", "|| &&"),
         ("arithmetic", "+ -", "- +", "* /", "/ *", "% /", "<< >>", ">> <<", "& |", "| &", "^ &",
          "+= -=", "-= +=", "*= /=", "/= *=", "|= &=", "&= |=", "<<= >>=", ">>= <<=", "++ --",
          "-- ++")]
SWAPS = {before: (operator, after) for operator, *pairs in PAIRS
         for before, after in (pair.split() for pair in pairs)}
OPERATORS = ["compare", "logic", "arithmetic", "constant", "branch", "remove"]
JUMPS = {"return", "break", "continue", "goto"}
CONTROL = {"if", "for", "while", "switch"}
DECLARES = re.compile(r"(?:const|static|struct|enum|union|unsigned|signed|int|long|bool|char|void|"
                      r"size_t|ssize_t|u?int\d+_t|uintptr_t|_Atomic|typedef|extern)$")


class Mutant(NamedTuple):
    file: str
    line: int
    function: str  # or "enum"
    operator: str
    start: int     # what is replaced in the text, and by what
    end: int
    by: str
    source: str    # the line, or the statement that goes
    mutant: str    # the line as it becomes; "" when the statement goes

    def name(self):
        return f"{self.file}:{self.line} {self.function}: {self.source}  =>  {self.mutant or '(gone)'}"


class Token(NamedTuple):
    text: str
    start: int
    end: int


def spaces(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def closing(text, start):
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
    return len(text) - 1


def blanked(text):
    """Only what may be changed, in place."""
    text = DIRECTIVE.sub(spaces, COMMENT_OR_STRING.sub(spaces, text))
    for match in UNTOUCHED.finditer(text):
        end = closing(text, match.end() - 1) + 1
        text = text[:match.start()] + re.sub(r"[^\n]", " ", text[match.start():end]) + text[end:]
    return text


def bodies(text, header):
    """(name, start, end) of the functions' bodies, and of anonymous enums but for a header's."""
    found, top, at = [], None, 0
    lines = text.split("\n")
    opened = None
    for line in lines:
        if opened is None and line[:1].strip() and line[0] not in "}":
            top = at
        if opened is None and top is not None and line.rstrip().endswith("{"):
            opened = at + len(line.rstrip())
            head = text[top:opened]
        if opened is None and not header and re.match(r"enum \{.*\};", line):
            found.append(("enum", at + 6, at + len(line)))
        if opened is not None and line.startswith("}"):
            name = re.search(r"(\w+)\(", head)
            if head.endswith(") {") and name:
                found.append((name.group(1), opened, at))
            elif head == "enum {" and not header:
                found.append(("enum", opened, at))
            opened = top = None
        at += len(line) + 1
    return found


def statement_starts(tokens):
    """Indices of tokens that begin a statement, and whether a condition or a label guards it."""
    controls, depth, after = [], 0, True
    guarded = False
    for i, token in enumerate(tokens):
        if after and token.text not in "{};":
            yield i, guarded
            after = False
        if token.text == "(":
            controls.append(i > 0 and tokens[i - 1].text in CONTROL)
            depth += 1
        elif token.text == ")":
            depth -= 1
            if controls and controls.pop():
                after, guarded = True, True
        elif token.text == ";" and depth == 0:
            after, guarded = True, False
        elif token.text == "{" and i > 0 and token.start > tokens[i - 1].end and \
                tokens[i - 1].text in (")", "else", "do"):
            after, guarded = True, False
        elif token.text == "}":
            after, guarded = True, False
        elif token.text in ("else", "do"):
            after, guarded = True, True


def removable(tokens, i, guarded):
    """The index of the semicolon that ends a statement that may go; None when it may not."""
    first = tokens[i].text
    if first in JUMPS and not guarded:
        return None
    if first not in JUMPS:
        follower = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if not re.match(r"[A-Za-z_*(+-]", first) or DECLARES.match(first) or first in CONTROL or \
                first in ("else", "do", "case", "default", "_Static_assert") or \
                re.match(r"[A-Za-z_]", follower):
            return None
    depth = 0
    for at in range(i, len(tokens)):
        text = tokens[at].text
        depth += (text in "([{") - (text in ")]}")
        if depth < 0:
            return None
        if depth == 0 and text == ";":
            return at
    return None


def next_number(text):
    digits = re.match(r"0[xX][0-9a-fA-F]+|\d+", text).group(0)
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    return str(value + 1) + text[len(digits):]


def arms(text, tokens, i):
    """The two arms of the conditional whose ? is token i: (start, middle, colon, end)."""
    depth, colon = 0, None
    for at in range(i + 1, len(tokens)):
        word = tokens[at].text
        if word in "([{":
            depth += 1
        elif word in ")]}" or word in ",;":
            if depth == 0:
                if colon is None:
                    return None
                return tokens[i].end, colon.start, colon.end, tokens[at].start
            depth -= word in ")]}"
        elif depth == 0 and word == "?" and colon is None:
            return None  # one within another: left alone
        elif depth == 0 and word == ":" and colon is None:
            colon = tokens[at]
    return None


def changes(raw, text, tokens, enum):
    """(operator, start, end, replacement) of each mutant of one body; `text` is blanked, `raw` not."""
    for i, token in enumerate(tokens):
        word, start, end = token
        wide = text[start - 1].isspace() and text[end:end + 1].isspace()
        if word in SWAPS and (wide or word in ("++", "--")) and not enum:
            operator, after = SWAPS[word]
            yield operator, start, end, after
        elif word[0].isdigit():
            yield "constant", start, end, next_number(word)
        elif word in ("true", "false"):
            yield "constant", start, end, "false" if word == "true" else "true"
        elif word == "if":
            last = closing(text, tokens[i + 1].start)
            inside = raw[tokens[i + 1].start:last + 1]
            yield "branch", tokens[i + 1].start, last + 1, f"(!{inside})"
        elif word == "?":
            found = arms(text, tokens, i)
            if found:
                first, colon, behind, last = found
                yield ("branch", first, last,
                       raw[behind:last] + " " + raw[colon:behind] + raw[first:colon])
    if enum:
        return
    for i, guarded in statement_starts(tokens):
        last = removable(tokens, i, guarded)
        if last is not None:
            yield "remove", tokens[i].start, tokens[last].start, ""


def line_around(text, start, end):
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return first, last if last >= 0 else len(text)


def one_line(text):
    return " ".join(text.split())


def of_file(root, file):
    """Every mutant of a source, in the order of its lines."""
    text = (Path(root) / file).read_text(encoding="utf-8")
    code = blanked(text)
    planted = {m.start() for m in re.finditer(r"\bASH_PLANTED\(", code)}
    found = []
    for function, start, end in bodies(code, file.endswith(".h")):
        tokens = [Token(m.group(0), m.start(), m.end()) for m in TOKEN.finditer(code, start, end)]
        for operator, at, to, by in changes(text, code, tokens, function == "enum"):
            first, last = line_around(text, at, to)
            if any(first <= p < last for p in planted):
                continue
            source = one_line(text[at:to + 1] if operator == "remove" else text[first:last])
            mutant = "" if operator == "remove" else one_line(text[first:at] + by + text[to:last])
            kept = "\n" * (text.count("\n", at, to) - by.count("\n"))
            found.append(Mutant(file, text.count("\n", 0, at) + 1, function, operator, at, to,
                                by + kept, source, mutant))
    return found


def of_layers(root, layers):
    return [mutant for layer in layers
            for path in sorted((Path(root) / "src" / layer).glob("*.[ch]"))
            for mutant in of_file(root, str(path.relative_to(root)))]


def mutated(text, mutant):
    return text[:mutant.start] + mutant.by + text[mutant.end:]


def sample(mutants, count, seed):
    """`count` of them, in turns over the files and within each over the operators."""
    random_source = random.Random(seed)
    files = {}
    for mutant in mutants:
        files.setdefault(mutant.file, {}).setdefault(mutant.operator, []).append(mutant)
    queues = []
    for by_operator in files.values():
        rows = list(by_operator.values())
        for row in rows:
            random_source.shuffle(row)
        random_source.shuffle(rows)
        queue = []
        while any(rows):
            queue += [row.pop() for row in rows if row]
        queues.append(queue[::-1])
    random_source.shuffle(queues)
    chosen = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return chosen


class Explained(NamedTuple):
    """What no run can show, and why: a row of tests/mutation/equivalent.toml."""
    kind: str
    why: str


LAYERS = ("heap", "base", "check")
LIST = "tests/mutation/equivalent.toml"
KINDS = ("same", "pace", "order")


def explained(path, mutants):
    """The rows of the list, by mutant; and what is wrong with the list."""
    with open(path, "rb") as stream:
        rows = tomllib.load(stream).get("mutant", [])
    by_place = {}
    for mutant in mutants:
        key = (mutant.file, mutant.function, mutant.source, mutant.mutant)
        by_place.setdefault(key, []).append(mutant)
    found, wrong = {}, []
    for row in rows:
        key = (row["file"], row["function"], row["source"], row["mutant"])
        if row["kind"] not in KINDS or len(row["why"]) < 20:
            wrong.append(f"no kind or no reason: {key}")
        if key not in by_place:
            wrong.append(f"stale: {row['file']}, {row['function']} has no mutant "
                         f"{row['source']}  =>  {row['mutant'] or '(gone)'}")
        for mutant in by_place.get(key, []):
            found[mutant] = Explained(row["kind"], row["why"])
    return found, wrong
