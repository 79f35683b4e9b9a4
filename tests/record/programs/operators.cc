/* 40 marked news and deletes of all kinds: part of a C++ program, and a plug-in by itself. */
#include <cstddef>
#include <cstdint>
#include <new>

namespace {
struct alignas(128) Wide {
    char bytes[40448]; // a multiple of 128 within the marked sizes
};
template <typename T> T *opaque(T *pointer) {
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}
} // namespace

extern "C" int plugin_run() {
    for (int i = 0; i < 10; i++) delete[] opaque(new char[40001 + static_cast<std::size_t>(i)]);
    for (int i = 0; i < 10; i++) ::operator delete(opaque(::operator new(40100)));
    for (int i = 0; i < 10; i++) delete opaque(new Wide);
    for (int i = 0; i < 10; i++) {
        void *block = ::operator new(40200, std::nothrow);
        ::operator delete(opaque(block), std::nothrow);
    }
    return 0;
}
