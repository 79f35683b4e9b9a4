/* Cases of a switch, 256 to a line, each an edge of its own to every engine: state.c tells why. */
#ifndef ASH_FUZZ_CASES_H
#define ASH_FUZZ_CASES_H

#define CASE(n)                                                                                    \
    case n:                                                                                        \
        __asm__ volatile("" : : "i"(n));                                                           \
        break;
#define CASES4(n)   CASE(n) CASE((n) + 1) CASE((n) + 2) CASE((n) + 3)
#define CASES16(n)  CASES4(n) CASES4((n) + 4) CASES4((n) + 8) CASES4((n) + 12)
#define CASES64(n)  CASES16(n) CASES16((n) + 16) CASES16((n) + 32) CASES16((n) + 48)
#define CASES256(n) CASES64(n) CASES64((n) + 64) CASES64((n) + 128) CASES64((n) + 192)

#endif
