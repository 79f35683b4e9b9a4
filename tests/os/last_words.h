/* For children that are to die: what they ran counts in a coverage build too.
 *
 * The profile is written when a process exits, which one that aborts or calls _exit never does.
 * Other builds have no such function, and then nothing happens. */
#ifndef ASHLAR_TEST_LAST_WORDS_H
#define ASHLAR_TEST_LAST_WORDS_H

#include <signal.h>
#include <stddef.h>

int __llvm_profile_write_file(void) __attribute__((weak));

static inline void keep_profile(int number) {
    (void)number;
    if (__llvm_profile_write_file != NULL) __llvm_profile_write_file();
}

/* SIGABRT kills as ever, whatever the test library made of it: abort raises it again once the
 * handler, which writes the profile, is done. */
static inline void abort_as_usual(void) {
    signal(SIGABRT, __llvm_profile_write_file != NULL ? keep_profile : SIG_DFL);
}

#endif
