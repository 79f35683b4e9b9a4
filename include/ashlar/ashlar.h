/* The process heap: the one behind malloc and operator new in programs that link or preload
 * libashlar.
 *
 * It is an ordinary heap of <ashlar/heap.h>, with options, reports and checks of its own. The
 * options are those of the environment variable ASHLAR_OPTIONS, listed in docs/OPTIONS.md.
 *
 *   ashlar_option_set("on_misuse", "report");
 *   if (ashlar_verify(NULL) == ASHLAR_CORRUPT) ...
 *   ashlar_print_stats();
 */
#ifndef ASHLAR_ASHLAR_H
#define ASHLAR_ASHLAR_H

#include <ashlar/check.h>
#include <ashlar/heap.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The process heap, for what <ashlar/heap.h> and <ashlar/check.h> do with heaps (statistics, walks,
 * trimming, thread heaps of one's own); made when it is not there yet. NULL when there is no memory
 * for it. Any thread, any time. It must not be destroyed or reset. */
struct ashlar_heap *ashlar_process_heap(void);

/* Sets an option by its name and value as text: ashlar_option_set("verify", "exit").
 *
 * Returns ASHLAR_INVALID, and changes nothing, when there is no such option, no such value, or the
 * option has its effect at the start only (docs/OPTIONS.md says which). Threads that set options
 * take turns; everything else may go on meanwhile. */
enum ashlar_status ashlar_option_set(const char *name, const char *value);

/* An option's value as text, as ASHLAR_OPTIONS takes it.
 *
 * Writes at most `bytes` bytes to `value`, the terminating zero included (nothing when `bytes` is
 * 0). Returns the length of the whole value, so that a result of `bytes` or more tells that it was
 * cut; 0 when there is no such option. Any thread, any time.
 *
 *   char text[256];
 *   if (ashlar_option_get("output", text, sizeof text) > 0) puts(text);
 */
size_t ashlar_option_get(const char *name, char *value, size_t bytes);

/* Checks the whole process heap now, writes findings and verdict to where the option `output` says,
 * and returns the verdict; `report` (may be NULL) receives the figures.
 *
 * Other threads may run meanwhile: what they change cannot be judged, is counted as such, and makes
 * the verdict ASHLAR_INCOMPLETE instead of ASHLAR_SOUND. Threads that sleep all the while are
 * checked like the caller. They wait when they want pages from the heap, or give pages back.
 *
 * Any thread; also in a signal handler (it allocates nothing, and gives up with ASHLAR_INCOMPLETE
 * when what it interrupted holds the heap's locks). Takes 32 KiB of stack. With the option
 * verify_fatal a corrupt heap aborts the process. */
enum ashlar_verdict ashlar_verify(struct ashlar_check_report *report);

/* Writes what the process heap holds to where the option `output` says: live, free, committed,
 * purged bytes and metadata; per size class too with the option `verbose`. Any thread, but not in a
 * signal handler. */
void ashlar_print_stats(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
