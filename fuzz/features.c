/* Features as coverage: each is a case of one switch, and so an edge to every engine (state.c tells
 * why and how). This file has to be compiled as the engine wants its targets compiled; without an
 * engine it does nothing.
 */
#include "watch.h"

#define CASE(n)                                                                                    \
    case n:                                                                                        \
        __asm__ volatile("" : : "i"(n));                                                           \
        break;
#define CASES4(n)   CASE(n) CASE((n) + 1) CASE((n) + 2) CASE((n) + 3)
#define CASES16(n)  CASES4(n) CASES4((n) + 4) CASES4((n) + 8) CASES4((n) + 12)
#define CASES64(n)  CASES16(n) CASES16((n) + 16) CASES16((n) + 32) CASES16((n) + 48)
#define CASES256(n) CASES64(n) CASES64((n) + 64) CASES64((n) + 128) CASES64((n) + 192)

_Static_assert(ASH_FEATURES == 4 * 256, "each feature has its case");

void ash_feature(unsigned number) {
    switch (number % ASH_FEATURES) {
        CASES256(0)
        CASES256(256)
        CASES256(512)
        CASES256(768)
    }
}
