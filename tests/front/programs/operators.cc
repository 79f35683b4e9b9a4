/* Every operator new and delete by its symbol: what the C++ standard has them do, above all when
 * there is no memory. Part of a C++ program, and a plug-in of a C program that has no C++ runtime
 * of its own. Expects ASHLAR_OPTIONS=region_bytes=64M. */
#include "expect.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <signal.h>
#include <sys/wait.h>

#define NEW(name, symbol, ...) void *name(__VA_ARGS__) __asm__(symbol)
NEW(new_1, "_Znwm", std::size_t);
NEW(new_2, "_Znam", std::size_t);
NEW(new_3, "_ZnwmRKSt9nothrow_t", std::size_t, const std::nothrow_t &);
NEW(new_4, "_ZnamRKSt9nothrow_t", std::size_t, const std::nothrow_t &);
NEW(new_5, "_ZnwmSt11align_val_t", std::size_t, std::size_t);
NEW(new_6, "_ZnamSt11align_val_t", std::size_t, std::size_t);
NEW(new_7, "_ZnwmSt11align_val_tRKSt9nothrow_t", std::size_t, std::size_t, const std::nothrow_t &);
NEW(new_8, "_ZnamSt11align_val_tRKSt9nothrow_t", std::size_t, std::size_t, const std::nothrow_t &);
#define DELETE(name, symbol, ...) void name(__VA_ARGS__) __asm__(symbol)
DELETE(delete_1, "_ZdlPv", void *);
DELETE(delete_2, "_ZdaPv", void *);
DELETE(delete_3, "_ZdlPvm", void *, std::size_t);
DELETE(delete_4, "_ZdaPvm", void *, std::size_t);
DELETE(delete_5, "_ZdlPvRKSt9nothrow_t", void *, const std::nothrow_t &);
DELETE(delete_6, "_ZdaPvRKSt9nothrow_t", void *, const std::nothrow_t &);
DELETE(delete_7, "_ZdlPvSt11align_val_t", void *, std::size_t);
DELETE(delete_8, "_ZdaPvSt11align_val_t", void *, std::size_t);
DELETE(delete_9, "_ZdlPvmSt11align_val_t", void *, std::size_t, std::size_t);
DELETE(delete_10, "_ZdaPvmSt11align_val_t", void *, std::size_t, std::size_t);
DELETE(delete_11, "_ZdlPvSt11align_val_tRKSt9nothrow_t", void *, std::size_t,
       const std::nothrow_t &);
DELETE(delete_12, "_ZdaPvSt11align_val_tRKSt9nothrow_t", void *, std::size_t,
       const std::nothrow_t &);

namespace {
constexpr std::size_t ALIGNMENT = 256, HUGE_BYTES = SIZE_MAX / 2 + 1, HOARD = 40 << 20;
enum { NEWS = 8, DELETES = 12 };

bool takes_alignment(unsigned which) {
    return which > 4;
}
bool throws(unsigned which) {
    return which == 1 || which == 2 || which == 5 || which == 6;
}

void *call_new(unsigned which, std::size_t bytes) {
    switch (which) {
    case 1:
        return new_1(bytes);
    case 2:
        return new_2(bytes);
    case 3:
        return new_3(bytes, std::nothrow);
    case 4:
        return new_4(bytes, std::nothrow);
    case 5:
        return new_5(bytes, ALIGNMENT);
    case 6:
        return new_6(bytes, ALIGNMENT);
    case 7:
        return new_7(bytes, ALIGNMENT, std::nothrow);
    default:
        return new_8(bytes, ALIGNMENT, std::nothrow);
    }
}

void call_delete(unsigned which, void *block, std::size_t bytes) {
    switch (which) {
    case 1:
        return delete_1(block);
    case 2:
        return delete_2(block);
    case 3:
        return delete_3(block, bytes);
    case 4:
        return delete_4(block, bytes);
    case 5:
        return delete_5(block, std::nothrow);
    case 6:
        return delete_6(block, std::nothrow);
    case 7:
        return delete_7(block, ALIGNMENT);
    case 8:
        return delete_8(block, ALIGNMENT);
    case 9:
        return delete_9(block, bytes, ALIGNMENT);
    case 10:
        return delete_10(block, bytes, ALIGNMENT);
    case 11:
        return delete_11(block, ALIGNMENT, std::nothrow);
    default:
        return delete_12(block, ALIGNMENT, std::nothrow);
    }
}

bool sized(unsigned which) {
    return which == 3 || which == 4 || which == 9 || which == 10;
}
unsigned new_for(unsigned which_delete) {
    return which_delete <= 6 ? 1 : 5;
}

void blocks_are_distinct_aligned_and_writable() {
    for (unsigned which = 1; which <= NEWS; which++) {
        void *empty = call_new(which, 0);
        for (std::size_t bytes : {0UL, 1UL, 24UL, 1000UL, 5000UL, 70000UL, 3000000UL}) {
            auto *block = static_cast<unsigned char *>(call_new(which, bytes));
            std::size_t alignment = takes_alignment(which) ? ALIGNMENT : 16;
            EXPECT(block != nullptr && block != empty);
            EXPECT(reinterpret_cast<std::uintptr_t>(block) % alignment == 0);
            std::memset(block, 0x5a, bytes);
            call_delete(takes_alignment(which) ? 9 : 3, block, bytes);
        }
        call_delete(takes_alignment(which) ? 9 : 3, empty, 0);
    }
    for (unsigned which = 1; which <= DELETES; which++) call_delete(which, nullptr, 17);
}

/* Calls the operator with a size that cannot be had. */
enum result { GAVE_NULL, GAVE_BLOCK, THREW_BAD_ALLOC, THREW_OTHER };
struct Special {
    static int alive;
    Special() { alive++; }
    Special(const Special &) { alive++; }
    Special &operator=(const Special &) = delete;
    ~Special() { alive--; }
};
int Special::alive;

result attempt(unsigned which, std::size_t bytes) {
    try {
        void *block = call_new(which, bytes);
        if (block == nullptr) return GAVE_NULL;
        call_delete(takes_alignment(which) ? 7 : 1, block, bytes);
        return GAVE_BLOCK;
    } catch (const std::bad_alloc &) {
        return THREW_BAD_ALLOC;
    } catch (const Special &) {
        return THREW_OTHER;
    }
}

void without_a_handler() {
    for (unsigned which = 1; which <= NEWS; which++)
        for (std::size_t bytes : {HUGE_BYTES, SIZE_MAX, std::size_t{1} << 40}) {
            EXPECT(attempt(which, bytes) == (throws(which) ? THREW_BAD_ALLOC : GAVE_NULL));
            EXPECT(std::uncaught_exceptions() == 0);
        }
}

int calls;
void *hoard;

void free_the_hoard() {
    calls++;
    delete_1(hoard);
    hoard = nullptr;
}

void a_handler_that_frees_memory() {
    for (unsigned which = 1; which <= NEWS; which++) {
        hoard = new_1(HOARD);
        calls = 0;
        std::set_new_handler(free_the_hoard);
        EXPECT(attempt(which, HOARD) == GAVE_BLOCK);
        std::set_new_handler(nullptr);
        EXPECT(calls == 1 && hoard == nullptr);
    }
}

void throw_special() {
    calls++;
    throw Special();
}
void throw_bad_alloc() {
    calls++;
    throw std::bad_alloc();
}

void a_handler_that_throws() {
    for (unsigned which = 1; which <= NEWS; which++) {
        calls = 0;
        std::set_new_handler(throw_special);
        EXPECT(attempt(which, HUGE_BYTES) == (throws(which) ? THREW_OTHER : GAVE_NULL));
        EXPECT(calls == 1 && Special::alive == 0 && std::uncaught_exceptions() == 0);
        std::set_new_handler(throw_bad_alloc);
        EXPECT(attempt(which, HUGE_BYTES) == (throws(which) ? THREW_BAD_ALLOC : GAVE_NULL));
        EXPECT(calls == 2 && std::uncaught_exceptions() == 0);
        std::set_new_handler(nullptr);
    }
}

void give_up_at_third() {
    if (++calls == 3) std::set_new_handler(nullptr);
}

void a_handler_that_gives_up() {
    for (unsigned which = 1; which <= NEWS; which++) {
        calls = 0;
        std::set_new_handler(give_up_at_third);
        EXPECT(attempt(which, HUGE_BYTES) == (throws(which) ? THREW_BAD_ALLOC : GAVE_NULL));
        EXPECT(calls == 3);
    }
}

/* A failure within the handling of another one. */
void exceptions_nest() {
    try {
        new_1(HUGE_BYTES);
    } catch (const std::bad_alloc &) {
        std::set_new_handler(throw_special);
        EXPECT(new_3(HUGE_BYTES, std::nothrow) == nullptr);
        std::set_new_handler(nullptr);
        EXPECT(std::current_exception() != nullptr);
    }
    EXPECT(std::uncaught_exceptions() == 0);
}

/* What a child says before it aborts. */
template <typename Body> void expect_abort(const char *code, Body body) {
    int ends[2];
    char said[600];
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], said, sizeof said - 1);
    said[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || std::strstr(said, code) == nullptr) {
        dprintf(STDERR_FILENO, "status %x, said %s, not %s\n", static_cast<unsigned>(status), said,
                code);
        _exit(1);
    }
}

void every_delete_frees() {
    for (unsigned which = 1; which <= DELETES; which++)
        expect_abort("ASH-FREE-DOUBLE", [which] {
            void *kept = call_new(new_for(which), 100), *block = call_new(new_for(which), 100);
            (void)kept;
            call_delete(which, block, 100);
            call_delete(which, block, 100);
        });
}

void sizes_are_compared() {
    for (unsigned which = 1; which <= DELETES; which++) {
        if (!sized(which)) continue;
        for (std::size_t bytes : {100UL, 700UL, 20000UL, 200000UL}) {
            call_delete(which, call_new(new_for(which), bytes), bytes);
            if (takes_alignment(new_for(which)) && bytes < 2 * ALIGNMENT) continue; /* one class */
            for (std::size_t wrong : {bytes / 2, bytes * 2})
                expect_abort("ASH-FREE-SIZE", [which, bytes, wrong] {
                    call_delete(which, call_new(new_for(which), bytes), wrong);
                });
        }
    }
}

struct Base {
    int number = 0;
};
struct Derived : Base {
    char more[200] = {};
};

void no_virtual_destructor() {
    expect_abort("ASH-FREE-SIZE", [] {
        Base *volatile base = new Derived;
        delete base;
    });
}
} // namespace

extern "C" int operators_run() {
    blocks_are_distinct_aligned_and_writable();
    without_a_handler();
    a_handler_that_frees_memory();
    a_handler_that_throws();
    a_handler_that_gives_up();
    exceptions_nest();
    every_delete_frees();
    sizes_are_compared();
    no_virtual_destructor();
    return 0;
}
