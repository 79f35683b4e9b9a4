/* The C++ program around operators.cc; with an argument, it first asks for what cannot be had. */
#include <cstddef>
#include <cstdint>
#include <new>

extern "C" int plugin_run();

// bad_alloc has to pass through the recorder's frames.
static int run_throwing() {
    try {
        volatile std::size_t huge = static_cast<std::size_t>(PTRDIFF_MAX) - 40000;
        ::operator delete(::operator new(huge));
        return 1;
    } catch (const std::bad_alloc &) {
    }
    return 0;
}

int main(int argc, char **) {
    return argc > 1 && run_throwing() != 0 ? 1 : plugin_run();
}
