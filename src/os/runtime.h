/* The C++ runtime of a program that was not linked to us as C++: functions by their symbols. */
#ifndef ASH_RUNTIME_H
#define ASH_RUNTIME_H

#include "base/base.h"

/* The function or object `symbol` of the C++ runtime that is loaded (libstdc++ or libc++, with its
 * unwinder), NULL when there is none. For rare paths: takes the dynamic linker's lock, and may
 * allocate. */
void *ash_runtime_symbol(const char *symbol);

/* Calls function(context). An exception that it throws is caught, and ends there: false then. Where
 * nothing can be caught (no C++ runtime), exceptions pass through. Forced unwinding, as by
 * pthread_exit, passes through. */
bool ash_runtime_catch(void (*function)(void *), void *context);

#endif
