/* States of a heap as coverage: see state.c. */
#ifndef ASH_FUZZ_STATE_H
#define ASH_FUZZ_STATE_H

#include <ashlar/check.h>

/* Forgets the last input: each state counts once per input. */
void ash_state_begin(void);
/* Looks at the heap after an operation. `address`: of the block that the operation was about; 0:
 * none. `report`: of a full check that was just made; NULL: none was. */
void ash_state_look(struct ashlar_heap *heap, uintptr_t address,
                    const struct ashlar_check_report *report);

#endif
