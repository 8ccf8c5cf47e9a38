#include "core/kernels/dropout.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/random.h"
#include "tests/support/guards.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

template <class T>
void check(std::int64_t n, std::uint32_t limit) {
  Random numbers(7, Purpose::dropout, 3, 5), other = numbers;
  const auto size = static_cast<std::size_t>(n);
  std::vector<T> want, want_mask, x, y(size), mask(size);
  for (std::size_t i = 0; i < size; ++i) {
    x.push_back(static_cast<T>(i) - T{5});
    want_mask.push_back(numbers.next_u32() < limit ? T{0} : T{3});
    want.push_back(x[i] * want_mask[i]);
  }
  const Random::Blocks blocks = other.pass((n + 3) / 4);
  kernels::dropout<T>().apply(y.data(), mask.data(), x.data(), n, blocks.counter, blocks.key, limit,
                              T{3});
  CHECK(mask == want_mask);
  CHECK(y == want);
}

}  // namespace

TEST_CASE("dropout of every instruction set compares the numbers of Random") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (const int threads : {1, 3}) {
      const ThreadsGuard guard(threads);
      // the last limit is one of the words: not below itself
      for (const std::uint32_t limit : {0u, 429'496'730u, 0x80000000u, 0xFFFFFFFFu,
                                        Random(7, Purpose::dropout, 3, 5).next_u32()}) {
        CAPTURE(limit);
        for (const std::int64_t n : {0, 1, 255, 257, 80'042}) check<float>(n, limit);
        check<double>(1030, limit);
      }
    }
  });
}
