#include "core/kernels/dropout.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/random.h"
#include "tests/support/guards.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

template <class T>
void check_mask(std::int64_t blocks, double p) {
  Random numbers(7, Purpose::dropout, 3, 5), other = numbers;
  std::vector<T> want, mask(static_cast<std::size_t>(2 * blocks));
  for (std::int64_t i = 0; i < 2 * blocks; ++i) want.push_back(numbers.uniform() < p ? T{0} : T{3});
  const Random::Blocks passed = other.pass(static_cast<std::uint32_t>(blocks));
  kernels::dropout<T>().mask(mask.data(), blocks, passed.counter, passed.key, p, T{3});
  CHECK(mask == want);
  CHECK(other.next_u32() == numbers.next_u32());
}

}  // namespace

TEST_CASE("masks of every instruction set compare the numbers of Random") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (const int threads : {1, 3}) {
      const ThreadsGuard guard(threads);
      // the last p is one of the numbers: not below itself
      for (const double p : {0.0, 0.1, 0.5, Random(7, Purpose::dropout, 3, 5).uniform(), 0.999}) {
        CAPTURE(p);
        check_mask<float>(20'011, p);
        check_mask<double>(37, p);
      }
    }
  });
}
