/* The scheduler of this process, if any: see yield.h. */
#include "base/yield.h"

struct ash_scheduler *ash_scheduler;
const bool ash_core_yields = ASH_YIELDS;
