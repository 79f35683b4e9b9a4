/* C++ on Ashlar: operator new and delete of every kind, containers, threads.
 *
 *   g++ link.cc $(pkg-config --cflags --libs ashlar) -pthread -o link
 *   g++ link.cc -static $(pkg-config --static --cflags --libs ashlar) -pthread -o link
 */
#include <ashlar/ashlar.h>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct alignas(64) line {
    char bytes[64];
};

int main() {
    std::map<int, std::string> texts;
    for (int i = 0; i < 10000; i++) texts[i] = std::string(i % 300, 'x');
    auto aligned = std::make_unique<line[]>(100);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([] {
            std::vector<std::string> parts;
            for (int i = 0; i < 20000; i++)
                parts.push_back(std::to_string(i) + " of a thread's own");
        });
    for (auto &thread : threads) thread.join();

    ashlar_block block;
    bool ours = ashlar_heap_find(ashlar_process_heap(), uintptr_t(aligned.get()), &block);
    std::cout << "new       " << (ours ? "from Ashlar" : "from elsewhere") << std::endl;
    ashlar_check_report report;
    ashlar_option_set("output", "1");
    ashlar_verdict verdict = ashlar_verify(&report);
    std::cout << "verified  " << ashlar_verdict_text(verdict) << std::endl;
    return ours && verdict == ASHLAR_SOUND ? 0 : 1;
}
