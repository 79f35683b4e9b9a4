"""The allocators, and how a process is made to run on one: LD_PRELOAD, ours as the peers."""
import dataclasses
import glob
import os
import pathlib

OURS = "ashlar"
REFERENCE = "mimalloc"  # what the aim is set against
# In the order of the tables: name, library, package. glibc: nothing is preloaded.
PEERS = [
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
    ("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    ("jemalloc", "libjemalloc.so.2", "libjemalloc2"),
    ("scudo", "/usr/lib/llvm-19/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so",
     "libclang-rt-19-dev"),
    ("glibc", None, "libc6"),
]


class Unusable(Exception):
    """An allocator that cannot be measured, and why"""


@dataclasses.dataclass(frozen=True)
class Allocator:
    name: str
    library: str | None  # as LD_PRELOAD takes it
    package: str | None
    is_peer: bool

    def environment(self):
        """Of the programs that run on it: the caller's, without what would change the figures"""
        kept = {key: value for key, value in os.environ.items()
                if key != "LD_PRELOAD" and not key.startswith(("MALLOC_", "MIMALLOC_", "ASHLAR_"))}
        return kept if self.library is None else kept | {"LD_PRELOAD": self.library}


def known(build):
    """All of them, by name"""
    ours = Allocator(OURS, str((build / "src" / "libashlar.so").resolve()), None, False)
    found = {OURS: ours}
    for name, library, package in PEERS:
        if library is not None and "*" in library:
            library = next(iter(sorted(glob.glob(library))), library)
        found[name] = Allocator(name, library, package, True)
    return found


def chosen(build, names, extra):
    """Those of `names` (all when empty), and `extra` ones as NAME=PATH, which count as ours do:
    they are compared, and no ratio is taken of them"""
    everyone = known(build)
    picked = {}
    for name in names or everyone:
        if name not in everyone:
            raise Unusable(f"no allocator is called {name}: there are {', '.join(everyone)}")
        picked[name] = everyone[name]
    for item in extra:
        name, _, path = item.partition("=")
        if not path or not pathlib.Path(path).is_file():
            raise Unusable(f"{item}: NAME=PATH of a library is wanted")
        picked[name] = Allocator(name, str(pathlib.Path(path).resolve()), None, False)
    for one in picked.values():
        if one.library and "/" in one.library and not pathlib.Path(one.library).is_file():
            raise Unusable(f"{one.name}: there is no {one.library}")
    return picked
