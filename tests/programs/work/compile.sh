#!/bin/bash
# compile.sh gcc|clang: compiles and links the heap core and a program over it, in parts and with
# link-time optimisation, and a C++ program of templates. The digests of the objects are compared
# with those of the run without the library.
set -eu
compiler=$1
case $compiler in gcc) plus=g++ ;; *) plus=clang++ ;; esac
sources=("$ROOT"/src/{base,os,heap,check}/*.c)
flags=(-std=gnu17 -D_GNU_SOURCE -DASHLAR_PLANT=0 -g "-I$ROOT/include" "-I$ROOT/src")
for source in "${sources[@]}"; do
    name=${source#"$ROOT"/src/}
    echo "$compiler -O2 ${flags[*]} -c $source -o ${name//\//_}.o"
done | xargs -P 2 -d '\n' -n 1 sh -c
sha1sum ./*.o
cat >main.c <<'END'
#include <ashlar/check.h>
#include <stdio.h>
int main(void) {
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *th;
    struct ashlar_check_report report;
    if (ashlar_heap_create(NULL, &heap) != ASHLAR_OK) return 1;
    if (ashlar_thread_heap_acquire(heap, &th) != ASHLAR_OK) return 1;
    for (size_t i = 1; i < 2000; i++) {
        void *block = ashlar_malloc(th, i * 37);
        if (i % 3 != 0) ashlar_free(th, block);
    }
    puts(ashlar_verdict_text(ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report)));
    printf("%lu blocks live\n", (unsigned long)report.live_blocks);
    return 0;
}
END
"$compiler" -O2 "${flags[@]}" main.c ./*.o -o parts
./parts
"$compiler" -O2 -flto "${flags[@]}" main.c "${sources[@]}" -o whole
./whole
cat >templates.cc <<'END'
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct chain { static int sum(int x) { return chain<N - 1>::sum(x) + N; } };
template <> struct chain<0> { static int sum(int x) { return x; } };
int main() {
    std::map<std::string, std::vector<std::variant<int, std::string>>> map;
    for (int i = 0; i < 5000; i++) map[std::to_string(i % 700)].emplace_back(std::to_string(i));
    std::vector<std::thread> threads;
    std::vector<std::unordered_map<int, std::unique_ptr<std::string>>> of(4);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&of, t] {
            for (int i = 0; i < 20000; i++)
                of[t][i % 3000] = std::make_unique<std::string>(i % 90, 'x');
        });
    for (auto &thread : threads) thread.join();
    std::regex pattern("([a-z]+)([0-9]+)");
    std::cout << std::regex_replace("abc123 def456", pattern, "$2$1") << " "
              << chain<300>::sum(1) << " " << map.size() << " " << of[3].size() << std::endl;
}
END
"$plus" -std=c++17 -O1 -c templates.cc -o templates.o
sha1sum templates.o
"$plus" templates.o -pthread -o templates
./templates
