/* What every layer may use: compiler, bits, assertions. Knows nothing else. */
#ifndef ASH_BASE_H
#define ASH_BASE_H

#include "base/yield.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASH_LIKELY(x)   __builtin_expect(!!(x), 1)
#define ASH_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ASH_NOINLINE    __attribute__((noinline))
#define ASH_INLINE      static inline __attribute__((always_inline))
#define ASH_COLD        __attribute__((cold, noinline))
#define ASH_CACHE_LINE  64
/* A function whose reads race with other threads' writes on purpose: its result is a hint. Clang's
 * no_sanitize would leave its atomic reads to the sanitizer. */
#ifdef __clang__
#define ASH_RACY __attribute__((disable_sanitizer_instrumentation))
#else
#define ASH_RACY __attribute__((no_sanitize("thread")))
#endif
/* Internal names: found without a detour over the dynamic linker's table. */
#define ASH_HIDDEN __attribute__((visibility("hidden")))

/* A constant that every process reads, apart from the texts and tables that few do: whose OS pages
 * then count for none. Among what the dynamic linker has written to, which is in memory anyway. */
#define ASH_DAILY __attribute__((section(".data.rel.ro.daily")))

/* The compiler forgets how `variable` came about: keeps it from computing an address twice. */
#define ASH_OPAQUE(variable) __asm__("" : "+r"(variable))

static_assert(sizeof(void *) == 8, "the layout is for 64-bit address spaces");

/* Builds. Conditions are constants, so that every branch compiles in every build. */
#ifdef ASHLAR_DEBUG
enum { ASH_DEBUG = 1 };
#else
enum { ASH_DEBUG = 0 };
#endif

/* The planted bug compiled into this build, 0 for none: see src/base/plant.h. */
#ifndef ASHLAR_PLANT
#define ASHLAR_PLANT 0
#endif
#define ASH_PLANTED(number) (ASHLAR_PLANT == (number))

/* Ends the process with one line on standard error. For broken internal assumptions only. */
_Noreturn void ash_panic(const char *file, int line, const char *fact);

/* ASH_ASSERT: what a function relies on; checked in debug builds. */
#define ASH_ASSERT(fact)                                                                           \
    do {                                                                                           \
        if (ASH_DEBUG && ASH_UNLIKELY(!(fact))) ash_panic(__FILE__, __LINE__, #fact);              \
    } while (0)

/* Instructions that compilers do not find by themselves, or find registers for. Sanitizers
 * could not see into them. */
#if defined(__x86_64__) && !defined(ASHLAR_SANITIZED)
#define ASH_X86 1
#endif

/* Index of the lowest set bit; `word` is not 0. */
ASH_INLINE unsigned ash_lowest_bit(uint64_t word) {
    return (unsigned)__builtin_ctzll(word);
}
/* Index of the highest set bit; `word` is not 0. */
ASH_INLINE unsigned ash_highest_bit(uint64_t word) {
    return 63U - (unsigned)__builtin_clzll(word);
}
/* The product's low half, and its high half in *high. */
ASH_INLINE uint64_t ash_multiply(uint64_t a, uint64_t b, uint64_t *high) {
#ifdef ASH_X86
    uint64_t low;
    __asm__("mulq %3" : "=a"(low), "=d"(*high) : "%0"(a), "rm"(b) : "cc");
    return low;
#else
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#endif
}
/* Flips `bits` of *word by one store; whoever reads it meanwhile sees it before or after. Not a
 * read-modify-write for other writers: there are none. */
ASH_INLINE void ash_flip(uint64_t *word, uint64_t bits) {
#ifdef ASH_X86
    __asm__("xorq %1, %0" : "+m"(*word) : "r"(bits) : "cc");
#else
    __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) ^ bits, __ATOMIC_RELAXED);
#endif
}
/* Sets bit `number` % 64 of *word; tells whether it was set. */
ASH_INLINE bool ash_set_bit(uint64_t *word, uint64_t number) {
#ifdef ASH_X86
    bool was;
    __asm__("btsq %2, %0" : "+r"(*word), "=@ccc"(was) : "r"(number));
    return was;
#else
    uint64_t before = *word;
    *word |= (uint64_t)1 << (number % 64);
    return *word == before;
#endif
}
/* Takes 1 from *count; tells whether none is left. */
ASH_INLINE bool ash_count_down(int64_t *count) {
#ifdef ASH_X86
    bool none;
    __asm__("subq $1, %0" : "+m"(*count), "=@ccle"(none));
    return none;
#else
    return --*count <= 0;
#endif
}
/* Set bits. By arithmetic: without a processor option the compiler's builtin is a library call.
 * Published method: Warren, "Hacker's Delight", section 5-1. */
ASH_INLINE unsigned ash_count_bits(uint64_t word) {
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
}
/* The `count` lowest bits set; count is 0..64. */
ASH_INLINE uint64_t ash_low_bits(unsigned count) {
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}
ASH_INLINE bool ash_is_power_of_two(uint64_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}
/* `unit` is a power of two; wraps for values within `unit` of the maximum, so callers bound the
 * value first. */
ASH_INLINE uint64_t ash_round_up(uint64_t value, uint64_t unit) {
    return (value + unit - 1) & ~(unit - 1);
}
ASH_INLINE uint64_t ash_round_down(uint64_t value, uint64_t unit) {
    return value & ~(unit - 1);
}

#endif
