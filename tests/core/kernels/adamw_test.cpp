#include "core/kernels/adamw.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::AdamwStep;

namespace {

template <class T>
void check(const AdamwStep& s, std::int64_t n) {
  Tensor w = random_tensor({n}, 1, dtype_of<T>()), m = random_tensor({n}, 2, dtype_of<T>());
  Tensor v = random_tensor({n}, 3, dtype_of<T>());
  for (std::int64_t i = 0; i < n; ++i) v.data<T>()[i] *= v.data<T>()[i];
  const Tensor dw = random_tensor({n}, 4, dtype_of<T>());
  std::vector<double> want_w = w.to_vector<double>(), want_m = m.to_vector<double>();
  std::vector<double> want_v = v.to_vector<double>();
  const std::vector<double> g = dw.to_vector<double>();
  for (std::size_t i = 0; i < g.size(); ++i) {
    want_m[i] = s.beta1 * want_m[i] + (1 - s.beta1) * g[i];
    want_v[i] = s.beta2 * want_v[i] + (1 - s.beta2) * g[i] * g[i];
    want_w[i] = s.shrink * want_w[i] -
                s.step_size * want_m[i] / (s.root_scale * std::sqrt(want_v[i]) + s.eps);
  }
  kernels::adamw<T>().step(w.data<T>(), m.data<T>(), v.data<T>(), dw.data<T>(), n, s);
  const double tolerance = dtype_of<T>() == DType::float32 ? 2e-6 : 1e-14;
  CHECK(all_close(w, want_w, tolerance));
  CHECK(all_close(m, want_m, tolerance));
  CHECK(all_close(v, want_v, tolerance));
}

}  // namespace

TEST_CASE("adamw kernels of every instruction set follow the formula") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (std::int64_t n : {0, 1, 17, 40001}) {
      const AdamwStep s{.shrink = 0.95,
                        .beta1 = 0.8,
                        .beta2 = 0.9,
                        .eps = 0.1,
                        .step_size = 0.3,
                        .root_scale = 1.5};
      check<float>(s, n);
      check<double>(s, n);
    }
  });
}

// By hand: m = 0.8 * 1 + 0.2 * 2 = 1.2, v = 0.75 * 4 + 0.25 * 4 = 4,
// w = 0.9 * 1 - 0.5 * 1.2 / (2 * 2 + 1) = 0.78.
TEST_CASE("a step of adamw matches the numbers worked out by hand") {
  double w = 1, m = 1, v = 4;
  const double dw = 2;
  kernels::adamw<double>().step(&w, &m, &v, &dw, 1, {0.9, 0.8, 0.75, 1, 0.5, 2});
  CHECK(m == doctest::Approx(1.2).epsilon(1e-14));
  CHECK(v == doctest::Approx(4).epsilon(1e-14));
  CHECK(w == doctest::Approx(0.78).epsilon(1e-14));
}
