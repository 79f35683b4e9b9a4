/* See no_keys.c. */
#ifndef NO_KEYS_H
#define NO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

extern size_t keys_made;
extern bool keys_short;

#endif
