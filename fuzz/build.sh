#!/bin/bash
# The harnesses as ClusterFuzzLite, OSS-Fuzz and ClusterFuzz want them: docs/CONTINUOUS_FUZZING.md.
#
#   fuzz/build.sh [HARNESS...]      all without arguments
#
# What to build with and where to comes from the environment, as their base images set it:
# CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE; OUT for what is to be run, WORK for the rest. In
# OUT each harness gets NAME, NAME_seed_corpus.zip, NAME.dict and NAME.options.
set -eu -o pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
: "${CC:?}" "${CXX:?}" "${CFLAGS?}" "${CXXFLAGS?}" "${LIB_FUZZING_ENGINE:?}" "${OUT:?}" "${WORK:?}"

harnesses=("$@")
if [ $# -eq 0 ]; then
    harnesses=(fuzz_heap fuzz_threads fuzz_faults fuzz_misuse fuzz_corrupt fuzz_parse
        fuzz_target fuzz_teach)
fi

# Where harnesses run there are no libraries: of zstd only the archive is offered to the linker. It
# is not instrumented, so that engines watch us and not it; src/base/foreign.h tells
# MemorySanitizer what it wrote.
mkdir -p "$WORK/archives"
ln -sf "$("$CC" -print-file-name=libzstd.a)" "$WORK/archives/libzstd.a"
export LDFLAGS="-L$WORK/archives ${LDFLAGS-}"
# What AFL++ does not watch; other compilers are told by CMake.
export AFL_LLVM_DENYLIST=$root/fuzz/coverage_ignore.txt

# Build type None: no flags but those that were given.
cmake -S "$root" -B "$WORK/ashlar" -DCMAKE_BUILD_TYPE=None -DASHLAR_DEBUG=ON -DASHLAR_TESTS=OFF \
    -DASHLAR_FUZZ=external "-DASHLAR_FUZZ_ENGINE=$LIB_FUZZING_ENGINE"
cmake --build "$WORK/ashlar" -j "${ASHLAR_JOBS:-$(nproc)}" --target "${harnesses[@]}"

for harness in "${harnesses[@]}"; do
    dictionary=$root/fuzz/raw_trace.dict
    case $harness in
    fuzz_parse)
        seeds=("$root/corpus/fuzz_parse")
        dictionary=$root/fuzz/fuzz_parse.dict
        ;;
    fuzz_threads) seeds=("$root/corpus/fuzz_threads") ;;
    *) seeds=("$root/corpus/fuzz_heap" "$root/corpus/regressions") ;;
    esac
    cp "$WORK/ashlar/fuzz/$harness" "$OUT/$harness"
    archive=$OUT/${harness}_seed_corpus.zip
    rm -f "$archive"
    find "${seeds[@]}" -type f ! -name 'README*' ! -name '.*' | sort | zip -q -j -@ "$archive"
    cp "$dictionary" "$OUT/$harness.dict"
    cp "$root/fuzz/engine.options" "$OUT/$harness.options"
done
