/* Checks of the process heap from within: at exit, on a signal, every so many operations, and when
 * asked. See verify.c for the theory. */
#ifndef ASH_FRONT_VERIFY_H
#define ASH_FRONT_VERIFY_H

#include "base/base.h"

#include <ashlar/check.h>

/* The process heap has been made: arranges for what the options ask. */
ASH_HIDDEN void ash_verify_start(void);

/* Arranges for the signal that the option verify_signal names, instead of `before`. */
ASH_HIDDEN bool ash_verify_on_signal(uint64_t before);

enum ash_verify_occasion {
    ASH_VERIFY_ASKED,
    ASH_VERIFY_AT_EXIT,
    ASH_VERIFY_ON_SIGNAL,
    ASH_VERIFY_COUNTED, /* says nothing unless it finds something */
};
ASH_HIDDEN enum ashlar_verdict ash_verify(enum ash_verify_occasion occasion,
                                          struct ashlar_check_report *report);

#endif
