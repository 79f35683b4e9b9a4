/* The scheduler: logical threads that take turns within operations. See schedule.c. */
#ifndef ASH_TRACE_SCHEDULE_H
#define ASH_TRACE_SCHEDULE_H

#include "base/base.h"

enum { ASH_SCHEDULE_THREADS = 256 };
#define ASH_TO_THE_END UINT64_MAX

struct ash_schedule;

/* What a logical thread does, on a stack of its own. */
typedef void ash_task(void *context, uint32_t thread);

/* NULL: no memory, or a core without yield points. */
struct ash_schedule *ash_schedule_open(ash_task *task, void *context);
/* Tasks that are under way are forgotten where they are. */
void ash_schedule_close(struct ash_schedule *schedule);

/* Begins the thread's task or goes on with it, until it ends, has passed `points` yield points (1
 * and up), or waits for a lock. True: it has ended. False also when there is no memory for its
 * stack: then it never began. */
bool ash_schedule_run(struct ash_schedule *schedule, uint32_t thread, uint64_t points);

/* The thread's task has begun and not ended. */
bool ash_schedule_under_way(const struct ash_schedule *schedule, uint32_t thread);
/* It waits for a lock that is not free. */
bool ash_schedule_waits(const struct ash_schedule *schedule, uint32_t thread);
/* How many tasks are under way. */
uint32_t ash_schedule_count(const struct ash_schedule *schedule);

/* Where to count pairs of points: one thread stopped at the first while another passed the second.
 * ASH_POINT_COUNT squared bytes; NULL: nowhere. For fuzzers, as coverage. */
extern uint8_t *ash_schedule_pairs;

#endif
