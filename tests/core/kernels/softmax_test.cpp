#include "core/kernels/softmax.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

template <class T>
void check(std::int64_t n, std::int64_t c, std::uint64_t seed) {
  const DType dtype = dtype_of<T>();
  const Tensor x = random_tensor({n, c}, seed, dtype, MemoryFormat::contiguous, -5, 5);
  const Tensor dy = random_tensor({n, c}, seed + 1, dtype);
  Tensor y = Tensor::empty_like(x), dx = Tensor::empty_like(x);
  kernels::log_softmax_forward(y.data<T>(), x.data<T>(), n, c);
  expect(all_close(y, naive_log_softmax(x), rounding(dtype)));
  kernels::log_softmax_backward(dx.data<T>(), dy.data<T>(), y.data<T>(), n, c);
  const Array g = dy, p = y;
  Array want({n, c});
  for_each_index(want.shape, [&](const Shape& i) {
    double sum = 0;
    for (std::int64_t j = 0; j < c; ++j) sum += g.at({i[0], j});
    want.at(i) = g.at(i) - std::exp(p.at(i)) * sum;
  });
  expect(all_close(dx, want, rounding(dtype)));
}

}  // namespace

TEST_CASE("log_softmax agrees with its formula") {
  CHECK(rc::check("float and double", [] {
    const std::int64_t n = pick(1, 5), c = pick(1, 12);
    const std::uint64_t seed = pick_seed();
    check<float>(n, c, seed);
    check<double>(n, c, seed);
  }));
}

TEST_CASE("log_softmax neither overflows nor loses digits for large logits") {
  const std::vector<float> x{30001, 30000, -30000};
  std::vector<float> y(3);
  kernels::log_softmax_forward(y.data(), x.data(), 1, 3);
  CHECK(y[0] == doctest::Approx(-0.31326169).epsilon(1e-6));
  CHECK(y[1] == doctest::Approx(-1.31326169).epsilon(1e-6));
  CHECK(y[2] == doctest::Approx(-60001.3133).epsilon(1e-6));
}

TEST_CASE("log_softmax of a masked class is minus infinity and of NaN is NaN") {
  const std::vector<double> x{0, -INFINITY, 0, NAN};
  std::vector<double> y(4);
  kernels::log_softmax_forward(y.data(), x.data(), 2, 2);
  CHECK(y[0] == 0);
  CHECK(y[1] == -INFINITY);
  CHECK(std::isnan(y[2]));
  CHECK(std::isnan(y[3]));
}

TEST_CASE("cross entropy of a masked class is finite without smoothing") {
  const std::vector<double> log_probs{0, -INFINITY};
  const std::int64_t label = 0;
  CHECK(kernels::cross_entropy_forward(log_probs.data(), &label, 1, 2, 0) == 0);
  std::vector<double> dx(2);
  kernels::cross_entropy_backward(dx.data(), 1.0, log_probs.data(), &label, 1, 2, 0);
  CHECK(dx == std::vector<double>{0, 0});
}

TEST_CASE("find_bad_label gives the first label out of range") {
  const std::vector<std::int64_t> labels{0, 2, 3, -1};
  CHECK(kernels::find_bad_label(labels.data(), 4, 4) == 3);
  CHECK(kernels::find_bad_label(labels.data(), 4, 3) == 2);
  CHECK(kernels::find_bad_label(labels.data(), 3, 4) == -1);
  CHECK(kernels::find_bad_label(labels.data(), 0, 4) == -1);
}
