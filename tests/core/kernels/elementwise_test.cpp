#include "core/kernels/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// Odd lengths for the tails of vector loops, one beyond the start of threads.
constexpr std::int64_t kSizes[] = {0, 1, 3, 7, 16, 31, 33, 100, 40001};

template <class T>
void check_all() {
  for (std::int64_t n : kSizes) {
    CAPTURE(n);
    const Tensor a = random_tensor({n}, 1, dtype_of<T>());
    const Tensor b = random_tensor({n}, 2, dtype_of<T>(), MemoryFormat::contiguous, 0.5, 2);
    const T* x = a.data<T>();
    const T* z = b.data<T>();
    const auto expect = [&](auto run, auto formula) {
      Tensor y = b.clone();
      run(kernels::elementwise<T>(), y.data<T>());
      std::vector<double> want;
      for (std::int64_t i = 0; i < n; ++i) {
        want.push_back(static_cast<double>(formula(x[i], z[i])));
      }
      CHECK(all_close(y, want, std::is_same_v<T, float> ? 1e-6 : 1e-15));
    };
    expect([&](auto& k, T* y) { k.add(y, x, z, n); }, [](T p, T q) { return p + q; });
    expect([&](auto& k, T* y) { k.axpy(y, T{3}, x, n); }, [](T p, T q) { return q + 3 * p; });
    expect([&](auto& k, T* y) { k.scale(y, T{-2}, x, n); }, [](T p, T) { return -2 * p; });
    expect([&](auto& k, T* y) { k.relu_forward(y, x, n); }, [](T p, T) { return p > 0 ? p : 0; });
    expect([&](auto& k, T* y) { k.relu_backward(y, z, x, n); },
           [](T p, T q) { return p > 0 ? q : 0; });
    expect([&](auto& k, T* y) { k.add(y, y, y, n); }, [](T, T q) { return q + q; });  // in place
  }
}

}  // namespace

TEST_CASE("elementwise kernels of every instruction set agree with their formulas") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    check_all<float>();
    check_all<double>();
  });
}

TEST_CASE("relu kernels keep NaN and send nothing through zero, in every instruction set") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{kNan, -kNan, -0.0f, 0.0f, -kInf, kInf, 1, -1, kNan};
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    std::vector<float> y(9), dx(9);
    const std::vector<float> dy(9, 5);
    kernels::elementwise<float>().relu_forward(y.data(), x.data(), 9);
    CHECK(std::isnan(y[0]));
    CHECK(std::isnan(y[1]));
    CHECK(std::isnan(y[8]));
    CHECK(std::vector<float>(y.begin() + 2, y.begin() + 8) ==
          std::vector<float>{0, 0, 0, kInf, 1, 0});
    kernels::elementwise<float>().relu_backward(dx.data(), dy.data(), y.data(), 9);
    CHECK(dx == std::vector<float>{0, 0, 0, 0, 0, 5, 5, 0, 0});
  });
}

TEST_CASE("elementwise results do not depend on the number of threads") {
  constexpr std::int64_t kCount = 100003;
  const Tensor a = random_tensor({kCount}, 1, DType::float32);
  const Tensor b = random_tensor({kCount}, 2, DType::float32);
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    const auto run = [&](int threads) {
      const ThreadsGuard guard(threads);
      Tensor y = b.clone();
      const auto& k = kernels::elementwise<float>();
      k.axpy(y.data<float>(), 0.3f, a.data<float>(), kCount);
      k.add(y.data<float>(), y.data<float>(), b.data<float>(), kCount);
      return y;
    };
    CHECK(bit_equal(run(2), run(1)));
    CHECK(bit_equal(run(3), run(1)));
  });
}
