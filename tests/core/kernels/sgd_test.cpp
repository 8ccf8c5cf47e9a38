#include "core/kernels/sgd.h"

#include <doctest/doctest.h>

#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::SgdStep;

namespace {

template <class T>
void check(const SgdStep& s, std::int64_t n, bool with_velocity) {
  Tensor w = random_tensor({n}, 1, dtype_of<T>()), v = random_tensor({n}, 2, dtype_of<T>());
  const Tensor dw = random_tensor({n}, 3, dtype_of<T>());
  std::vector<double> want_w = w.to_vector<double>(), want_v = v.to_vector<double>();
  const std::vector<double> g0 = dw.to_vector<double>();
  for (std::size_t i = 0; i < want_w.size(); ++i) {
    const double g = g0[i] + s.weight_decay * want_w[i];
    if (!with_velocity) {
      want_w[i] -= s.lr * g;
      continue;
    }
    want_v[i] = s.first ? g : s.momentum * want_v[i] + (1 - s.dampening) * g;
    want_w[i] -= s.lr * (s.nesterov ? g + s.momentum * want_v[i] : want_v[i]);
  }
  kernels::sgd<T>().step(w.data<T>(), with_velocity ? v.data<T>() : nullptr, dw.data<T>(), n, s);
  const double tolerance = dtype_of<T>() == DType::float32 ? 1e-6 : 1e-14;
  CHECK(all_close(w, want_w, tolerance));
  CHECK(all_close(v, want_v, tolerance));
}

}  // namespace

TEST_CASE("sgd kernels of every instruction set follow the formula") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (std::int64_t n : {0, 1, 17, 40001}) {
      for (bool nesterov : {false, true}) {
        for (bool first : {false, true}) {
          const SgdStep s{0.1, 0.9, nesterov ? 0 : 0.25, 5e-2, nesterov, first};
          check<float>(s, n, true);
          check<double>(s, n, true);
          check<double>(s, n, false);
        }
      }
    }
  });
}

// By hand: w = 1, dw = 0.5, decay 0.1: g = 0.6. First step: v = 0.6, w = 1 - 0.1 * 0.6 = 0.94.
// Then dw = 0.5 again: g = 0.594, v = 0.9 * 0.6 + 0.594 = 1.134, w = 0.94 - 0.1134 = 0.8266.
TEST_CASE("two steps with momentum match the numbers worked out by hand") {
  double w = 1, v = -123;
  const double dw = 0.5;
  SgdStep s{0.1, 0.9, 0, 0.1, false, true};
  kernels::sgd<double>().step(&w, &v, &dw, 1, s);
  CHECK(w == doctest::Approx(0.94).epsilon(1e-14));
  s.first = false;
  kernels::sgd<double>().step(&w, &v, &dw, 1, s);
  CHECK(v == doctest::Approx(1.134).epsilon(1e-14));
  CHECK(w == doctest::Approx(0.8266).epsilon(1e-14));
}
