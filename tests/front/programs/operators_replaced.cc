/* Programs that replace some operators, as the C++ standard lets them: all other forms have to call
 * those. */
#include "operators_replaced.h"

#include "expect.h"

#include <cstddef>
#include <cstdint>
#include <new>

namespace {
void *opaque(void *block) {
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}
} // namespace

int main() {
    constexpr auto ALIGNMENT = std::align_val_t{128};
    int before = news; /* the C++ runtime's own */
    ::operator delete (opaque(::operator new(40)), std::size_t{40});
    ::operator delete[](opaque(::operator new[](40)));
    ::operator delete[](opaque(::operator new[](40)), std::size_t{40});
    ::operator delete(opaque(::operator new(40, std::nothrow)), std::nothrow);
    ::operator delete[](opaque(::operator new[](40, std::nothrow)), std::nothrow);
    EXPECT(news == before + 5);
    EXPECT(::operator new(SIZE_MAX / 8, std::nothrow) == nullptr);
    EXPECT(::operator new[](SIZE_MAX / 8, std::nothrow) == nullptr);
    EXPECT(news == before + 7);
    EXPECT(deletes == (deletes_are_replaced ? 5 : 0));
    ::operator delete(opaque(::operator new(40, ALIGNMENT)), 40, ALIGNMENT);
    ::operator delete[](opaque(::operator new[](40, ALIGNMENT)), ALIGNMENT);
    ::operator delete[](opaque(::operator new[](40, ALIGNMENT)), 40, ALIGNMENT);
    ::operator delete[](opaque(::operator new[](40, ALIGNMENT, std::nothrow)), ALIGNMENT,
                        std::nothrow);
    ::operator delete(opaque(::operator new(40, ALIGNMENT, std::nothrow)), ALIGNMENT, std::nothrow);
    EXPECT(deletes == (deletes_are_replaced ? 10 : 0));
    EXPECT(aligned_news == (deletes_are_replaced ? 5 : 0));
    EXPECT(news == before + (deletes_are_replaced ? 12 : 7));
    return 0;
}
