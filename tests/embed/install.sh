#!/bin/bash
# install.sh BUILD CC CXX: installs a build, moves what was installed, and uses it as a stranger would:
# every example by find_package, by add_subdirectory and by pkg-config, shared and static; the command
# with its recorder. Nothing of the build tree or the first prefix may be needed.
set -eu -o pipefail
build=$1 cc=$2 cxx=$3
source=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LC_ALL=C
unset LD_LIBRARY_PATH LD_PRELOAD DESTDIR ASHLAR_OPTIONS ASHLAR_RECORD_LIBRARY

quietly() { # shows what a command said only when it fails
    "$@" >"$tmp/log" 2>&1 || { echo "failed: $*"; cat "$tmp/log"; exit 1; }
}
fail() {
    echo "$*"
    exit 1
}
needed() { # PROGRAM: it has our library, though it calls nothing of it by itself
    readelf -d "$1" | grep -q 'NEEDED.*libashlar\.so\.0' || fail "dropped from $1"
}

echo "== install, and move"
quietly cmake --install "$build" --prefix "$tmp/first"
mv "$tmp/first" "$tmp/moved"
prefix=$tmp/moved
libdir=$(dirname "$(find "$prefix" -name libashlar.a)")
(cd "$prefix" && find . -not -type d | grep -v -e /doc/ -e /seeds/ | sort)
if grep -rlI -e "$tmp/first" -e "$build" -e "$source" "$prefix" | grep -v /doc/; then
    fail "these name the place where they were built or installed"
fi

echo "== find_package"
quietly cmake -S "$source/examples" -B "$tmp/cmake" "-DCMAKE_PREFIX_PATH=$prefix" \
    "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_CXX_COMPILER=$cxx"
quietly cmake --build "$tmp/cmake"
quietly ctest --test-dir "$tmp/cmake" --output-on-failure --no-tests=error
grep -E 'tests passed' "$tmp/log"
mkdir "$tmp/newer"
echo 'cmake_minimum_required(VERSION 3.16)
project(newer NONE)
find_package(ashlar 9 REQUIRED)' >"$tmp/newer/CMakeLists.txt"
if cmake -S "$tmp/newer" -B "$tmp/newer/build" "-DCMAKE_PREFIX_PATH=$prefix" >"$tmp/log" 2>&1; then
    fail "version 9 was found"
fi
grep -q 'version: 0' "$tmp/log" || fail "not refused for its version: $(cat "$tmp/log")"

cat >"$tmp/newer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(calls_nothing C)
find_package(ashlar REQUIRED)
add_executable(calls_nothing calls_nothing.c)
target_link_libraries(calls_nothing PRIVATE -Wl,--as-needed ashlar::ashlar)
END
echo 'int puts(const char *); int main(void) { return puts("calls nothing") < 0; }' \
    >"$tmp/newer/calls_nothing.c"
quietly cmake -S "$tmp/newer" -B "$tmp/newer/build" "-DCMAKE_PREFIX_PATH=$prefix"
quietly cmake --build "$tmp/newer/build"
needed "$tmp/newer/build/calls_nothing"

echo "== fuzzing another allocator"
quietly cmake -S "$source/examples/fuzzing" -B "$tmp/fuzzing" "-DCMAKE_PREFIX_PATH=$prefix" \
    "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_CXX_COMPILER=$cxx"
# The build tree has built all engines; what an installed tree can lack shows in two.
programs=(fuzz_teach_replay_program teach)
if command -v clang >"$tmp/log"; then programs+=(fuzz_teach_libfuzzer_program); fi
quietly cmake --build "$tmp/fuzzing" --target "${programs[@]}"
quietly "$tmp/fuzzing/fuzz_teach_replay" "$prefix/share/ashlar/seeds"
if TEACH_BUG=round-down "$tmp/fuzzing/fuzz_teach_replay" "$prefix/share/ashlar/seeds" \
    >"$tmp/log" 2>&1; then
    fail "the harness does not find a bug: $(tail -n 3 "$tmp/log")"
fi
if command -v clang >"$tmp/log"; then
    quietly "$prefix/bin/ashlar" fuzz --target "$tmp/fuzzing/libteach.so" --prefix teach_ --time 2 \
        -o "$tmp/fuzzed"
fi

echo "== add_subdirectory"
mkdir "$tmp/parent"
cat >"$tmp/parent/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(parent LANGUAGES C CXX)
enable_testing()
add_subdirectory("$source" ashlar)
add_subdirectory("$source/examples" examples)
END
quietly cmake -S "$tmp/parent" -B "$tmp/parent/build" -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_CXX_COMPILER=$cxx"
quietly cmake --build "$tmp/parent/build" -j 2
quietly ctest --test-dir "$tmp/parent/build" --output-on-failure --no-tests=error
grep -E 'tests passed' "$tmp/log"

echo "== the libraries alone need no C++ compiler"
quietly cmake -S "$source" -B "$tmp/alone" -DASHLAR_LIBRARY_ONLY=ON "-DCMAKE_C_COMPILER=$cc" \
    -DCMAKE_CXX_COMPILER=/bin/false

echo "== pkg-config"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
mkdir "$tmp/pc"
cd "$tmp/pc"
compile() { # OUTPUT COMPILER SOURCE FLAGS...
    local output=$1 compiler=$2 file=$3
    shift 3
    quietly "$compiler" "$source/examples/$file" -O1 "$@" -o "$output"
}
words=()
flags() {
    read -ra words < <(pkg-config "$@")
}
flags --cflags --libs ashlar
compile link_shared "$cc" link/link.c "${words[@]}" "-Wl,-rpath,$libdir"
compile link_cxx_shared "$cxx" link/link.cc "${words[@]}" -pthread "-Wl,-rpath,$libdir"
# As distributions link: what seems not needed is dropped.
compile link_needed "$cc" link/link.c -Wl,--as-needed "${words[@]}" "-Wl,-rpath,$libdir"
# Nothing in the program itself calls malloc: only libc does.
quietly "$cc" "$tmp/newer/calls_nothing.c" -Wl,--as-needed "${words[@]}" "-Wl,-rpath,$libdir" -o calls_nothing
needed calls_nothing
compile link_archive "$cc" link/link.c -Wl,-Bstatic "${words[@]}" -Wl,-Bdynamic
compile link_cxx_archive "$cxx" link/link.cc -Wl,-Bstatic "${words[@]}" -Wl,-Bdynamic -pthread
flags --static --cflags --libs ashlar
compile link_static "$cc" link/link.c -static "${words[@]}"
compile link_cxx_static "$cxx" link/link.cc -static "${words[@]}" -pthread
flags --cflags --libs ashlar-heap
compile caller_memory "$cc" caller_memory/caller_memory.c "${words[@]}"
compile preload "$cc" preload/preload.c
for program in link_{shared,cxx_shared,needed,archive,cxx_archive,static,cxx_static} caller_memory; do
    echo "-- $program"
    "./$program" || fail "$program ended with $?"
done
for program in link_archive link_cxx_archive link_static caller_memory; do
    if readelf -d $program | grep -q 'NEEDED.*ashlar'; then fail "$program is not linked statically"; fi
done
if nm -D caller_memory | grep -qw 'T malloc'; then fail "ashlar-heap brought a malloc"; fi

echo "== preload"
EXPECT=ashlar LD_PRELOAD=$(pkg-config --variable=preload ashlar) ./preload
if EXPECT=ashlar ./preload; then fail "the test of the preloaded malloc cannot fail"; fi

echo "== the command"
"$prefix/bin/ashlar" version
"$prefix/bin/ashlar" record -q -o "$tmp/trace" -- ./preload >/dev/null
"$prefix/bin/ashlar" replay "$tmp/trace" | tail -n 1
