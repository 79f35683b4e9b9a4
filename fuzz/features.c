/* Features as coverage: one tiny function per feature, whose entry engines count as an edge.
 *
 * This is how all engines understand a state of the program that no code of its own stands for, and
 * the only way that needs nothing of a certain engine. This file has to be compiled as the engine
 * wants its targets compiled; without an engine it does nothing.
 */
#include "watch.h"

#define ONE(n)                                                                                     \
    static __attribute__((noinline)) void feature_##n(void) {                                      \
        __asm__ volatile("# %0" : : "i"(0x##n));                                                   \
    }
#define NAME(n) feature_##n,

/* Each of the 1,024 numbers, in hexadecimal. */
#define DIGIT(each, n)                                                                             \
    each(n##0) each(n##1) each(n##2) each(n##3) each(n##4) each(n##5) each(n##6) each(n##7)        \
        each(n##8) each(n##9) each(n##a) each(n##b) each(n##c) each(n##d) each(n##e) each(n##f)
/* It does not settle on a form of this one. */
/* clang-format off */
#define DIGITS(each, n) \
    DIGIT(each, n##0) DIGIT(each, n##1) DIGIT(each, n##2) DIGIT(each, n##3) \
    DIGIT(each, n##4) DIGIT(each, n##5) DIGIT(each, n##6) DIGIT(each, n##7) \
    DIGIT(each, n##8) DIGIT(each, n##9) DIGIT(each, n##a) DIGIT(each, n##b) \
    DIGIT(each, n##c) DIGIT(each, n##d) DIGIT(each, n##e) DIGIT(each, n##f)
/* clang-format on */
#define ALL(each) DIGITS(each, 0) DIGITS(each, 1) DIGITS(each, 2) DIGITS(each, 3)

ALL(ONE)

static void (*const features[])(void) = {ALL(NAME)};
_Static_assert(sizeof features / sizeof *features == ASH_FEATURES, "one function per feature");

void ash_feature(unsigned number) {
    features[number % ASH_FEATURES]();
}
