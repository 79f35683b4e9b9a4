/* A reader of this process that cannot crash. */
#ifndef ASH_GUARDED_H
#define ASH_GUARDED_H

#include <ashlar/check.h>

/* Bytes of this process, through the kernel: an address that is not mapped is NULL, not a fault. A
 * window of recently read bytes is kept, so the heap must stay still between ash_guarded_reset. */
extern const struct ashlar_reader ash_guarded_reader;

/* Forgets what was read. Called after the heap has changed. */
void ash_guarded_reset(void);

#endif
