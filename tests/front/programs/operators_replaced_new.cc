/* Replaces operator new alone, which asks malloc for more than it was asked for. */
#include "operators_replaced.h"

#include <cstddef>
#include <cstdlib>
#include <new>

extern const bool deletes_are_replaced = false;
int news, deletes, aligned_news;

void *operator new(std::size_t bytes) {
    news++;
    void *block = bytes < 1 << 20 ? std::malloc(bytes * 4 + 100) : nullptr;
    if (block == nullptr) throw std::bad_alloc();
    return block;
}
