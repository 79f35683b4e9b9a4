/* The C++ runtime, as far as C can use it.
 *
 * 1. Finding it. A program's C++ runtime may come after us, by dlopen and for a plug-in alone: then
 *    neither a weak reference of ours nor a look at the global scope finds it. Its handle is asked
 *    for by name. In a static program there is no dynamic linker to ask: the references to it are
 *    weak, and weak references to the runtime itself (in the caller) are what there is.
 * 2. Catching. C has no handlers, but an unwinder does not ask for C++: it asks each frame's
 *    personality routine (Itanium C++ ABI: Exception Handling, sections 1.3 and 2.5) whether the
 *    frame handles the exception, and where it goes on. So one frame is written in assembly whose
 *    routine says yes to everything:
 *
 *        ash_runtime_call(function, context)
 *            call function(context)
 *            result = 0                    returned
 *        ash_runtime_landing:
 *            return result                 thrown: the unwinder has set it to the exception
 *
 *    The exception is then ended as a C++ handler's end would do it. */
#include "os/runtime.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <unwind.h>

#pragma weak dlsym
#pragma weak dlclose

typedef void *open_function(const char *, int);

/* dlopen, by dlsym: linkers warn of it in static programs, where it is not asked for. */
static open_function *find_open(void) {
    open_function *open = NULL;
    if (dlsym == NULL || dlclose == NULL) return NULL;
    void *found = dlsym(RTLD_DEFAULT, "dlopen");
    memcpy(&open, &found, sizeof found); /* as POSIX says of dlsym */
    return open;
}

void *ash_runtime_symbol(const char *symbol) {
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1",
                                            "libgcc_s.so.1", "libunwind.so.1"};
    open_function *open = find_open();
    /* Not the global scope: what is asked for may be defined there by the very caller. */
    void *found = NULL;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries && found == NULL; i++) {
        void *handle = open != NULL ? open(libraries[i], RTLD_LAZY | RTLD_NOLOAD) : NULL;
        if (handle == NULL) continue;
        found = dlsym(handle, symbol);
        dlclose(handle); /* whoever calls us keeps it loaded */
    }
    return found;
}

#if defined(__x86_64__) || defined(__aarch64__)

/* What is needed to catch: from the program's runtime, each NULL until it is found. */
static struct {
    void (*set_register)(struct _Unwind_Context *, int, _Unwind_Word);
    void (*set_address)(struct _Unwind_Context *, _Unwind_Ptr);
    void *(*begin_catch)(void *);
    void (*end_catch)(void);
} needed;

void *__cxa_begin_catch(void *exception) __attribute__((weak));
void __cxa_end_catch(void) __attribute__((weak));
#pragma weak _Unwind_SetGR
#pragma weak _Unwind_SetIP

#define FIND(member, name)                                                                         \
    do {                                                                                           \
        void *found = NULL;                                                                        \
        if ((name) == NULL) found = ash_runtime_symbol(#name);                                     \
        if ((name) != NULL)                                                                        \
            needed.member = (name);                                                                \
        else                                                                                       \
            memcpy(&needed.member, &found, sizeof found);                                          \
    } while (0)

/* Threads that meet here find the same. */
static bool find_needed(void) {
    FIND(set_register, _Unwind_SetGR);
    FIND(set_address, _Unwind_SetIP);
    FIND(begin_catch, __cxa_begin_catch);
    FIND(end_catch, __cxa_end_catch);
    return needed.set_register != NULL && needed.set_address != NULL &&
           needed.begin_catch != NULL && needed.end_catch != NULL;
}

ASH_HIDDEN struct _Unwind_Exception *ash_runtime_call(void (*function)(void *), void *context);
ASH_HIDDEN extern const char ash_runtime_landing[];
ASH_HIDDEN _Unwind_Reason_Code ash_runtime_personality(int version, _Unwind_Action actions,
                                                       _Unwind_Exception_Class language,
                                                       struct _Unwind_Exception *exception,
                                                       struct _Unwind_Context *context);

__attribute__((used)) _Unwind_Reason_Code
ash_runtime_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class language,
                        struct _Unwind_Exception *exception, struct _Unwind_Context *context) {
    (void)language;
    if (version != 1) return _URC_FATAL_PHASE1_ERROR;
    if ((actions & _UA_FORCE_UNWIND) != 0) return _URC_CONTINUE_UNWIND;
    if ((actions & _UA_SEARCH_PHASE) != 0) return _URC_HANDLER_FOUND;
    needed.set_register(context, __builtin_eh_return_data_regno(0), (_Unwind_Word)exception);
    needed.set_address(context, (_Unwind_Ptr)ash_runtime_landing);
    return _URC_INSTALL_CONTEXT;
}

/* The result register is also the first one that an unwinder may set, on both. */
__asm__(".text\n"
        ".globl ash_runtime_call\n"
        ".hidden ash_runtime_call\n"
        ".type ash_runtime_call, %function\n"
        ".globl ash_runtime_landing\n"
        ".hidden ash_runtime_landing\n"
        "ash_runtime_call:\n"
        ".cfi_startproc\n"
        ".cfi_personality 0x1b, ash_runtime_personality\n" /* relative, four bytes */
#if defined(__x86_64__)
        "    push %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        ".cfi_def_cfa_register %rbp\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    call *%rax\n"
        "    xor %eax, %eax\n"
        "ash_runtime_landing:\n"
        "    pop %rbp\n"
        ".cfi_def_cfa %rsp, 8\n"
        "    ret\n"
#else
        "    stp x29, x30, [sp, #-16]!\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset x29, -16\n"
        ".cfi_offset x30, -8\n"
        "    mov x29, sp\n"
        "    mov x2, x0\n"
        "    mov x0, x1\n"
        "    blr x2\n"
        "    mov x0, #0\n"
        "ash_runtime_landing:\n"
        "    ldp x29, x30, [sp], #16\n"
        ".cfi_restore x30\n"
        ".cfi_restore x29\n"
        ".cfi_def_cfa_offset 0\n"
        "    ret\n"
#endif
        ".cfi_endproc\n"
        ".size ash_runtime_call, . - ash_runtime_call\n");

bool ash_runtime_catch(void (*function)(void *), void *context) {
    if (!find_needed()) {
        function(context);
        return true;
    }
    struct _Unwind_Exception *exception = ash_runtime_call(function, context);
    if (exception == NULL) return true;
    needed.begin_catch(exception);
    needed.end_catch();
    return false;
}

#else

bool ash_runtime_catch(void (*function)(void *), void *context) {
    function(context);
    return true;
}

#endif
