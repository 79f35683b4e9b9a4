#!/usr/bin/env python3
"""The files that ClusterFuzzLite, OSS-Fuzz and GitHub read say what these understand.

  check_integration.py ROOT

What they understand is written down here as of version 1 of google/clusterfuzzlite (the action.yml
of both actions, and its page on GitHub Actions) and OSS-Fuzz's guide to new projects. A name that
is mistyped in a workflow is no error there: it is ignored. Skipped (77) without PyYAML.
"""
import re
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    sys.exit(77)

ACTIONS = {
    "google/clusterfuzzlite/actions/build_fuzzers@v1": {
        "language", "dry-run", "allowed-broken-targets-percentage", "sanitizer", "project-src-path",
        "bad-build-check", "storage-repo", "storage-repo-branch", "storage-repo-branch-coverage",
        "upload-build", "github-token"},
    "google/clusterfuzzlite/actions/run_fuzzers@v1": {
        "language", "fuzz-seconds", "dry-run", "sanitizer", "mode", "github-token", "storage-repo",
        "storage-repo-branch", "storage-repo-branch-coverage", "report-unreproducible-crashes",
        "minimize-crashes", "parallel-fuzzing"},
}
REQUIRED = {"run_fuzzers": {"fuzz-seconds", "github-token"}, "build_fuzzers": set()}
LANGUAGES = {"c", "c++"}
SANITIZERS = {"address", "undefined", "memory"}
# Each mode, what may start it, and what it is built with.
MODES = {"code-change": ("pull_request", SANITIZERS), "batch": ("schedule", SANITIZERS),
         "prune": ("schedule", {"address"}), "coverage": ("schedule", {"coverage"})}
PROJECT_NEEDS = {"homepage", "main_repo", "language", "primary_contact"}
PROJECT_MAY = PROJECT_NEEDS | {"fuzzing_engines", "sanitizers", "auto_ccs", "vendor_ccs",
                               "architectures", "help_url", "file_github_issue", "disabled"}
CRON = re.compile(r"(\*|\d+)(/\d+)? (\*|\d+)(/\d+)? (\*|\d+) (\*|\d+) (\*|\d+)")


class Findings(list):
    def need(self, fact, where, what):
        if not fact:
            self.append(f"{where}: {what}")


def check_job(job, where, triggers, found):
    matrix = job.get("strategy", {}).get("matrix", {}).get("sanitizer", [])
    steps = job.get("steps", [])
    used = [step.get("uses") for step in steps]
    found.need(used in ([*ACTIONS], [*ACTIONS][:1]), where, "builds, and then fuzzes")
    built = None
    modes = []
    for step in steps:
        given = step.get("with", {})
        kind = str(step.get("uses")).split("/")[-1].split("@")[0]
        unknown = set(given) - ACTIONS.get(step.get("uses"), set())
        found.need(not unknown, where, f"no input of {kind}: {', '.join(sorted(unknown))}")
        found.need(REQUIRED.get(kind, set()) <= set(given), where, f"{kind} lacks what it needs")
        found.need(given.get("language") in LANGUAGES, where, "says a language of ours")
        sanitizers = given.get("sanitizer", "address")
        sanitizers = matrix if sanitizers == "${{ matrix.sanitizer }}" else [sanitizers]
        found.need(built in (None, sanitizers), where, "fuzzes what it built")
        built = sanitizers
        if kind == "run_fuzzers":
            modes.append(given.get("mode"))
    for mode in modes:
        trigger, allowed = MODES.get(mode, (None, set()))
        found.need(trigger in triggers, where, f"mode {mode} is started by {trigger}")
        found.need(built and set(built) <= allowed, where, f"mode {mode} with {built}")
    if not modes:
        found.need(steps and steps[0].get("with", {}).get("upload-build") is True, where,
                   "a build that is not fuzzed is kept")
        found.need("push" in triggers, where, "builds are of pushes")
    return modes


def check_workflow(path, found):
    data = yaml.safe_load(path.read_text())
    triggers = data.get("on", data.get(True)) or {}  # YAML 1.1 takes `on` for a truth
    for schedule in triggers.get("schedule") or []:
        found.need(CRON.fullmatch(schedule["cron"]), path.name, f"not a time: {schedule['cron']}")
    found.need(data.get("permissions") == "read-all", path.name, "reads only")
    modes = []
    for name, job in data["jobs"].items():
        where = f"{path.name} {name}"
        found.need(job.get("runs-on") == "ubuntu-latest", where, "runs on ubuntu-latest")
        found.need(job.get("needs", name) in data["jobs"], where, "waits for a job that is there")
        modes += check_job(job, where, triggers, found)
    return modes


def check_docker(root, folder, image, found):
    """Its image, and that what it copies is there."""
    text = (root / folder / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found.need(lines[0] == f"FROM {image}", folder, f"builds in {image}")
    found.need("libzstd-dev" in text and re.search(r"\bzip\b", text), folder,
               "has what build.sh needs")
    context = root if folder == ".clusterfuzzlite" else root / folder
    for source in re.findall(r"^COPY (\S+) \$SRC/", text, re.M):
        found.need((context / source).exists(), folder, f"copies {source}, which is there")
    found.need(re.search(r"^COPY \S*build\.sh \$SRC/(build\.sh)?$", text, re.M), folder,
               "copies its build.sh")
    script = (root / folder / "build.sh").read_text()
    found.need(script.rstrip().endswith('exec "$SRC/ashlar/fuzz/build.sh" "$@"'), folder,
               "calls fuzz/build.sh")
    found.need("WORKDIR $SRC/ashlar" in lines, folder, "works in $SRC/ashlar")


def check_project(root, found):
    lite = yaml.safe_load((root / ".clusterfuzzlite/project.yaml").read_text())
    found.need(lite.get("language") in LANGUAGES, ".clusterfuzzlite", "says a language of ours")
    project = yaml.safe_load((root / "oss-fuzz/ashlar/project.yaml").read_text())
    where = "oss-fuzz/ashlar/project.yaml"
    found.need(PROJECT_NEEDS <= set(project) <= PROJECT_MAY, where,
               "has the fields that it may have")
    found.need(set(project.get("sanitizers", [])) == SANITIZERS, where, "asks for each sanitizer")
    found.need(set(project.get("fuzzing_engines", [])) == {"libfuzzer", "afl"}, where,
               "both engines")
    found.need("@" in project.get("primary_contact", ""), where, "somebody to write to")


def main():
    root = Path(sys.argv[1])
    found = Findings()
    modes = []
    for path in sorted((root / ".github/workflows").glob("*.yml")):
        modes += check_workflow(path, found)
    found.need(sorted(modes) == sorted(MODES), ".github/workflows", "each mode has one job")
    check_docker(root, ".clusterfuzzlite", "gcr.io/oss-fuzz-base/base-builder:v1", found)
    check_docker(root, "oss-fuzz/ashlar", "gcr.io/oss-fuzz-base/base-builder", found)
    check_project(root, found)
    for line in found:
        print(f"not so: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
