/* What the containers of the C++ library allocate: nodes of maps and lists, strings too long for
 * their own object, arrays that double; all through operator new and delete. */
#include "pattern.h"

#include <deque>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct Record {
    std::string name;
    std::vector<uint32_t> items;
    std::list<std::string> notes;
};

std::string text_of(uint32_t number, uint32_t bytes) {
    std::string text = std::to_string(number);
    text.resize(8 + bytes, '.');
    return text;
}

} // namespace

/* An index of records that come and go: each step makes one, under a random key, and takes the one
 * away that was there. */
void containers(struct worker *worker) {
    std::map<std::string, Record> records;
    std::unordered_map<uint32_t, std::string> names;
    std::deque<uint32_t> recent;
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        std::string key = text_of(step->slot, step->bytes % 16);
        auto known = names.find(step->slot);
        if (known != names.end()) {
            records.erase(known->second);
            names.erase(known);
        }
        Record &record = records[key];
        record.name = key + text_of(step->bytes, step->bytes);
        for (uint32_t k = 0; k < step->bytes % 24; k++) record.items.push_back(k);
        for (uint32_t k = 0; k < step->bytes % 4; k++) record.notes.push_back(text_of(k, 24));
        names.emplace(step->slot, key);
        recent.push_back(step->slot);
        if (recent.size() > 256) recent.pop_front();
    }
}
