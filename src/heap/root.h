/* The exported root: how a reader outside the process finds a heap and decodes it. */
#ifndef ASH_ROOT_H
#define ASH_ROOT_H

#include "heap/layout.h"

/* FNV-1a over the constant part of the root, with `checksum` taken as 0. It takes words of 64 bits
 * where the published method takes bytes: each step is a bijection of the word either way, so any
 * change of one word is found, in an eighth of the time, which each check of one address pays.
 * Published method: Fowler, Noll, Vo, 64-bit parameters of draft-eastlake-fnv. */
uint64_t ash_root_checksum(const struct ash_root *root);

/* Fills what never changes after creation; the addresses and sizes of the parts are set already. */
void ash_root_seal(struct ash_root *root);

#endif
