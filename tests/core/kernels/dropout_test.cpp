#include "core/kernels/dropout.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/random.h"
#include "tests/support/guards.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

template <class T>
void check(std::int64_t blocks, double p) {
  Random numbers(7, Purpose::dropout, 3, 5), other = numbers;
  const auto size = static_cast<std::size_t>(2 * blocks);
  std::vector<T> want, want_mask, x, y(size), mask(size);
  for (std::size_t i = 0; i < size; ++i) {
    x.push_back(static_cast<T>(i) - T{5});
    want_mask.push_back(numbers.uniform() < p ? T{0} : T{3});
    want.push_back(x[i] * want_mask[i]);
  }
  const Random::Blocks passed = other.pass(static_cast<std::uint32_t>(blocks));
  kernels::dropout<T>().apply(y.data(), mask.data(), x.data(), blocks, passed.counter, passed.key,
                              p, T{3});
  CHECK(mask == want_mask);
  CHECK(y == want);
  CHECK(other.next_u32() == numbers.next_u32());
}

}  // namespace

TEST_CASE("dropout of every instruction set compares the numbers of Random") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (const int threads : {1, 3}) {
      const ThreadsGuard guard(threads);
      // the last p is one of the numbers: not below itself
      for (const double p : {0.0, 0.1, 0.5, Random(7, Purpose::dropout, 3, 5).uniform(), 0.999}) {
        CAPTURE(p);
        check<float>(20'011, p);
        check<double>(37, p);
      }
    }
  });
}
