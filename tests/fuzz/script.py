"""One of the scripts as a module, to be tested with an engine that is played: what it builds and
keeps goes to a scratch directory."""
import importlib.machinery
import importlib.util
import os
import shutil
import sys


def load(root, name, scratch):
    """The script scripts/NAME of the source directory `root`; `scratch` is emptied first."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    os.environ["ASHLAR_BUILD_ROOT"] = str(scratch)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(root / "scripts"))
    path = str(root / "scripts" / name)
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
