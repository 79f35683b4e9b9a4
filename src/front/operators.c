/* The C++ operators new and delete.
 *
 * 1. Purpose. Every replaceable overload (base/operators.h), in C, under its symbol. They do what
 *    the C++ standard asks of its library's ([new.delete]): new never returns a null pointer but
 *    calls the new handler until there is memory, or throws std::bad_alloc; the nothrow forms
 *    return a null pointer instead, also when the handler throws. A sized delete whose size is of
 *    another class than the block is reported: that is what deletion through a base class without
 *    a virtual destructor looks like.
 * 2. Programs that replace some of them. A program may define operator new(size_t) and operator
 *    delete(void *) alone; the standard has all other forms call those. So every symbol here is
 *    weak, all references to them go to whoever defines them first (operators.list keeps the linker
 *    from binding them here), and unless all are ours, each form calls the one that the standard
 *    says. Sizes are then not compared: a program's own new may have asked malloc for more.
 *    Whether all are ours is decided once, by a constructor; calls before that take the long way.
 * 3. Exceptions. What a new handler or std::bad_alloc throws passes through functions of this file,
 *    which is compiled for that. Without a C++ runtime nobody can catch, and there is no handler:
 *    then the process ends with a message. */
#include "base/operators.h"

#include "base/line.h"
#include "front/front.h"
#include "heap/fast.h"
#include "os/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void new_handler(void);

/* std::get_new_handler and std::__throw_bad_alloc: the same names in libstdc++ and libc++. */
new_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
void _ZSt17__throw_bad_allocv(void) __attribute__((weak));
/* What a throw expression is made of (Itanium C++ ABI: Exception Handling, section 2.4), with the
 * type, the virtual table and the destructor of std::bad_alloc. */
void *__cxa_allocate_exception(size_t bytes) __attribute__((weak));
_Noreturn void __cxa_throw(void *exception, const void *type, void (*destroy)(void *))
    __attribute__((weak));
extern const char _ZTISt9bad_alloc[] __attribute__((weak));
extern const char *const _ZTVSt9bad_alloc[] __attribute__((weak));
void _ZNSt9bad_allocD1Ev(void *exception) __attribute__((weak));

/* The public names, weak: section 2. */
#define DECLARE_NEW(kind, symbol, parameters, arguments, alignment, base, base_arguments)          \
    static void *own##symbol parameters;                                                           \
    void *symbol parameters __attribute__((weak, visibility("default"), alias("own" #symbol)));
#define DECLARE_DELETE(kind, symbol, parameters, arguments, alignment, base, base_arguments)       \
    static void own##symbol parameters;                                                            \
    void symbol parameters __attribute__((weak, visibility("default"), alias("own" #symbol)));
ASH_OPERATORS_NEW(DECLARE_NEW)
ASH_OPERATORS_DELETE(DECLARE_DELETE)

static bool all_ours; /* written by the constructor */

static __attribute__((constructor(101))) void whose(void) {
    typedef void function(void);
    static const struct {
        function *found, *own;
    } operators[] = {
#define ROW(kind, symbol, parameters, arguments, alignment, base, base_arguments)                  \
    {(function *)symbol, (function *)own##symbol},
        ASH_OPERATORS_NEW(ROW) ASH_OPERATORS_DELETE(ROW)};
    bool ours = true;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        function *found = operators[i].found;
        ASH_OPAQUE(found); /* the compiler knows of the alias only, not of other definitions */
        if (found != operators[i].own) ours = false;
    }
    all_ours = ours;
}

static new_handler *handler(void) {
    new_handler *(*get)(void) = _ZSt15get_new_handlerv;
    if (get == NULL) {
        void *found = ash_runtime_symbol("_ZSt15get_new_handlerv");
        memcpy(&get, &found, sizeof found); /* as POSIX says of dlsym */
    }
    return get != NULL ? get() : NULL;
}

/* In a static program the runtime has only those parts that the program refers to: often not the
 * function that throws, but what it is made of. */
static void throw_by_parts(void) {
    if (__cxa_allocate_exception == NULL || __cxa_throw == NULL || _ZTISt9bad_alloc == NULL ||
        _ZTVSt9bad_alloc == NULL || _ZNSt9bad_allocD1Ev == NULL)
        return;
    const char *const **exception = __cxa_allocate_exception(sizeof *exception);
    *exception = _ZTVSt9bad_alloc + 2; /* behind the offset to the top and the type */
    __cxa_throw(exception, _ZTISt9bad_alloc, _ZNSt9bad_allocD1Ev);
}

static _Noreturn ASH_COLD void throw_bad_alloc(size_t bytes) {
    void (*throw)(void) = _ZSt17__throw_bad_allocv;
    if (throw == NULL) {
        void *found = ash_runtime_symbol("_ZSt17__throw_bad_allocv");
        memcpy(&throw, &found, sizeof found);
    }
    if (throw != NULL) throw();
    throw_by_parts();
    struct ash_line line = {0};
    ash_line_text(&line, "ashlar: no memory for operator new of ");
    ash_line_plural(&line, bytes, "byte");
    ash_line_text(&line, ", and no C++ runtime to throw std::bad_alloc");
    ash_line_send(&line, STDERR_FILENO);
    abort();
}

static void *allocate(size_t bytes, size_t alignment) {
    return alignment == 0 ? ash_front_malloc(bytes) : ash_front_aligned(alignment, bytes);
}

static ASH_NOINLINE void *new_slow(size_t bytes, size_t alignment) {
    for (;;) {
        void *block = allocate(bytes, alignment);
        if (ASH_LIKELY(block != NULL)) return block;
        new_handler *call = handler();
        if (call == NULL) throw_bad_alloc(bytes);
        call();
    }
}

static void call_handler(void *context) {
    new_handler *call;
    memcpy(&call, context, sizeof call);
    call();
}

static ASH_NOINLINE void *new_slow_nothrow(size_t bytes, size_t alignment) {
    for (;;) {
        void *block = allocate(bytes, alignment);
        if (ASH_LIKELY(block != NULL)) return block;
        new_handler *call = handler();
        if (call == NULL || !ash_runtime_catch(call_handler, &call)) return NULL;
    }
}

/* What the fast path leaves, in a thread that has a heap. */
static ASH_NOINLINE void *new_larger(struct ash_thread_heap *th, size_t bytes) {
    void *block = ash_malloc_slow(th, bytes);
    return ASH_LIKELY(block != NULL) ? block : new_slow(bytes, 0);
}

ASH_INLINE void *new_block(size_t bytes, size_t alignment) {
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    void *block;
    if (ASH_UNLIKELY(th == NULL) || alignment != 0) return new_slow(bytes, alignment);
    return ash_fast_malloc(th, bytes, &block) ? block : new_larger(th, bytes);
}

ASH_INLINE void *new_block_nothrow(size_t bytes, size_t alignment) {
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    void *block;
    bool small = ASH_LIKELY(th != NULL) && alignment == 0;
    return small && ash_fast_malloc(th, bytes, &block) ? block : new_slow_nothrow(bytes, alignment);
}

ASH_INLINE void delete_block(void *block) {
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    if (ASH_UNLIKELY(th == NULL) || !ash_fast_free(th, block)) ash_front_free(block);
}

/* Apart, so that the fast path saves no registers. */
static ASH_NOINLINE void delete_sized_slow(void *block, size_t alignment, size_t bytes) {
    ash_front_free_sized(block, alignment, bytes);
}

ASH_INLINE void delete_sized(void *block, size_t alignment, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(ash_front_mine);
    bool quick = ASH_LIKELY(th != NULL) && alignment == 0;
    if (!quick || !ash_fast_free_sized(th, block, bytes))
        delete_sized_slow(block, alignment, bytes);
}

/* A call of somebody else's new that may throw. */
struct attempt {
    size_t bytes, alignment;
    void *block;
};

#define DEFINE_NEW_ROOT(symbol, parameters, alignment_or_0, base, base_arguments)                  \
    static void *own##symbol parameters {                                                          \
        return new_block(bytes, alignment_or_0);                                                   \
    }

#define DEFINE_NEW_DERIVED(symbol, parameters, alignment_or_0, base, base_arguments)               \
    static void *own##symbol parameters {                                                          \
        if (ASH_UNLIKELY(!all_ours)) return base base_arguments;                                   \
        return new_block(bytes, alignment_or_0);                                                   \
    }

#define DEFINE_NEW_NOTHROW(symbol, parameters, alignment_or_0, base, base_arguments)               \
    static void attempt##symbol(void *context) {                                                   \
        struct attempt *attempt = context;                                                         \
        size_t bytes = attempt->bytes, alignment = attempt->alignment;                             \
        (void)alignment;                                                                           \
        attempt->block = base base_arguments;                                                      \
    }                                                                                              \
    static void *own##symbol parameters {                                                          \
        (void)nothrow;                                                                             \
        if (ASH_UNLIKELY(!all_ours)) {                                                             \
            struct attempt attempt = {bytes, alignment_or_0, NULL};                                \
            return ash_runtime_catch(attempt##symbol, &attempt) ? attempt.block : NULL;            \
        }                                                                                          \
        return new_block_nothrow(bytes, alignment_or_0);                                           \
    }

#define DEFINE_NEW(kind, symbol, parameters, arguments, alignment, base, base_arguments)           \
    DEFINE_NEW_##kind(symbol, parameters, alignment, base, base_arguments)
ASH_OPERATORS_NEW(DEFINE_NEW)

/* The arguments that a delete does not look at: nothrow, and alignments. */
#define DEFINE_DELETE_ROOT(symbol, parameters, alignment, base, base_arguments)                    \
    static void own##symbol parameters {                                                           \
        (void)(alignment);                                                                         \
        delete_block(block);                                                                       \
    }

#define DEFINE_DELETE_DERIVED(symbol, parameters, alignment, base, base_arguments)                 \
    static void own##symbol parameters {                                                           \
        (void)(alignment);                                                                         \
        if (ASH_UNLIKELY(!all_ours)) return base base_arguments;                                   \
        delete_block(block);                                                                       \
    }

#define DEFINE_DELETE_NOTHROW(symbol, parameters, alignment, base, base_arguments)                 \
    static void own##symbol parameters {                                                           \
        (void)(alignment);                                                                         \
        (void)nothrow;                                                                             \
        if (ASH_UNLIKELY(!all_ours)) return base base_arguments;                                   \
        delete_block(block);                                                                       \
    }

#define DEFINE_DELETE_SIZED(symbol, parameters, alignment, base, base_arguments)                   \
    static void own##symbol parameters {                                                           \
        if (ASH_UNLIKELY(!all_ours)) return base base_arguments;                                   \
        delete_sized(block, alignment, bytes);                                                     \
    }

#define DEFINE_DELETE(kind, symbol, parameters, arguments, alignment, base, base_arguments)        \
    DEFINE_DELETE_##kind(symbol, parameters, alignment, base, base_arguments)
ASH_OPERATORS_DELETE(DEFINE_DELETE)
