/* Features as coverage: each is a case of one switch, and so an edge to every engine (state.c tells
 * why and how). This file has to be compiled as the engine wants its targets compiled; without an
 * engine it does nothing.
 */
#include "cases.h"
#include "watch.h"

_Static_assert(ASH_FEATURES == 6 * 256, "each feature has its case");

void ash_feature(unsigned number) {
    switch (number % ASH_FEATURES) {
        CASES256(0)
        CASES256(256)
        CASES256(512)
        CASES256(768)
        CASES256(1024)
        CASES256(1280)
    }
}
