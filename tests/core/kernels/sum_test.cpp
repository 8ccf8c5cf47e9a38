#include "core/kernels/sum.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using kernels::SumAxis;

std::vector<double> naive(const std::vector<double>& x, const std::vector<SumAxis>& axes,
                          double scale) {
  std::int64_t size = 1;
  for (const SumAxis& axis : axes) size *= axis.summed ? 1 : axis.size;
  std::vector<double> sums(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < std::ssize(x); ++i) {
    std::int64_t rest = i, place = 0, step = 1;
    for (auto axis = axes.rbegin(); axis != axes.rend(); rest /= axis->size, ++axis) {
      if (axis->summed) continue;
      place += rest % axis->size * step;
      step *= axis->size;
    }
    sums[static_cast<std::size_t>(place)] += x[static_cast<std::size_t>(i)];
  }
  for (double& sum : sums) sum *= scale;
  return sums;
}

template <class T>
void check_sum(const std::vector<SumAxis>& axes) {
  std::int64_t n = 1, size = 1;
  for (const SumAxis& axis : axes) n *= axis.size, size *= axis.summed ? 1 : axis.size;
  CAPTURE(n);
  CAPTURE(size);
  const Tensor x = random_tensor({n}, 1, dtype_of<T>());
  const auto computed = [&] {
    Tensor y = Tensor::zeros({size}, dtype_of<T>());
    kernels::sum(y.data<T>(), x.data<T>(), axes.data(), std::ssize(axes), 0.5);
    return y;
  };
  const Tensor y = computed();
  CHECK(all_close(y, naive(x.to_vector<double>(), axes, 0.5), sizeof(T) == 4 ? 1e-4 : 1e-11));
  for (const int threads : {1, 2, 5}) {
    const ThreadsGuard guard(threads);
    CHECK(bit_equal(computed(), y));
  }
}

}  // namespace

TEST_CASE("sums of every instruction set agree with naive ones, on any number of threads") {
  constexpr bool kSummed = true, kStays = false;
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    check_sum<float>({{1, kStays}});
    check_sum<float>({{77, kStays}});
    check_sum<double>({{100'003, kSummed}});
    check_sum<float>({{40'001, kSummed}, {17, kStays}});  // parts of the terms
    check_sum<float>({{3, kSummed}, {50'021, kStays}});   // few terms of many sums
    check_sum<double>({{3, kSummed}, {301, kStays}, {2, kSummed}, {77, kStays}});
    check_sum<float>({{19, kSummed}, {7, kStays}, {1021, kSummed}});
    check_sum<float>({{257, kStays}, {259, kSummed}});
    check_sum<double>({{5, kStays}, {1031, kSummed}, {13, kStays}, {3, kSummed}});
  });
}

TEST_CASE("a sum adds in double") {
  const Tensor x = Tensor::full({1 << 16}, double{0.1F});
  const SumAxis axis{x.numel(), true};
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    float y = 0;
    kernels::sum(&y, x.data<float>(), &axis, 1, 1);
    CHECK(y == static_cast<float>(double{0.1F} * (1 << 16)));
  });
}
