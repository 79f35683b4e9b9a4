/* Replaces new and delete, plain and aligned: blocks of a pool of the program's own. */
#include "expect.h"
#include "operators_replaced.h"

#include <cstddef>
#include <new>

extern const bool deletes_are_replaced = true;
int news, deletes, aligned_news;

namespace {
alignas(4096) unsigned char pool[1 << 20];
std::size_t used;
} // namespace

void *operator new(std::size_t bytes) {
    news++;
    if (bytes > sizeof pool - used) throw std::bad_alloc();
    void *block = pool + used;
    used += (bytes + 63) / 64 * 64;
    return block;
}

void operator delete(void *block) noexcept {
    auto at = static_cast<unsigned char *>(block);
    EXPECT(block == nullptr || (at >= pool && at < pool + sizeof pool));
    deletes++;
}

void *operator new(std::size_t bytes, std::align_val_t alignment) {
    aligned_news++;
    auto unit = static_cast<std::size_t>(alignment);
    used = (used + unit - 1) / unit * unit;
    return operator new(bytes);
}

void operator delete(void *block, std::align_val_t) noexcept {
    operator delete(block);
}
