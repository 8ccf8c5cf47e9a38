#include "core/kernels/pool.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Pool2dDims;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

Pool2dDims pick_dims() {
  const std::int64_t k_h = pick(1, 4), k_w = pick(1, 4);
  const std::int64_t pad_h = pick(0, k_h / 2), pad_w = pick(0, k_w / 2);
  return {pick(1, 3), pick(1, 37), pick(k_h, k_h + 6), pick(k_w, k_w + 6),
          k_h,        k_w,         pick(1, 3),         pick(1, 3),
          pad_h,      pad_w};
}

template <class T>
void check(const Pool2dDims& d, std::uint64_t seed) {
  const DType dtype = dtype_of<T>();
  const Shape x_shape{d.n, d.c, d.h_in, d.w_in}, y_shape{d.n, d.c, d.h_out(), d.w_out()};
  const Tensor x = distinct_tensor(x_shape, seed, dtype, kChannelsLast);
  const Tensor dy = random_tensor(y_shape, seed + 1, dtype, kChannelsLast);
  Tensor y = Tensor::empty_like(dy), dx = Tensor::empty_like(x);
  std::vector<std::int32_t> argmax(static_cast<std::size_t>(y.numel()));
  const auto& k = kernels::pool<T>();
  k.max_forward(y.data<T>(), argmax.data(), x.data<T>(), d);
  k.max_backward(dx.data<T>(), dy.data<T>(), argmax.data(), d);
  expect(all_close(y, naive_max_pool(x, d)));
  expect(all_close(dx, naive_max_pool_backward(dy, x, d), rounding(dtype)));
  k.avg_forward(y.data<T>(), x.data<T>(), d);
  k.avg_backward(dx.data<T>(), dy.data<T>(), d);
  expect(all_close(y, naive_avg_pool(x, d), rounding(dtype)));
  expect(all_close(dx, naive_avg_pool_backward(dy, d), rounding(dtype)));
}

}  // namespace

TEST_CASE("pooling kernels of every instruction set agree with the naive loops") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    CHECK(rc::check("float and double", [] {
      const Pool2dDims d = pick_dims();
      const std::uint64_t seed = pick_seed();
      check<float>(d, seed);
      check<double>(d, seed);
    }));
  });
}

TEST_CASE("the average of many equal values is that value") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    for (const std::int64_t size : {7, 224, 3000}) {
      const std::int64_t c = size == 3000 ? 1 : 3;
      const Pool2dDims d{1, c, size, size, size, size, size, size, 0, 0};
      const Tensor x = Tensor::full({c * size * size}, 1.1);
      std::vector<float> y(static_cast<std::size_t>(c));
      kernels::pool<float>().avg_forward(y.data(), x.data<float>(), d);
      for (const float mean : y) CHECK(mean == doctest::Approx(1.1F).epsilon(1e-6));
    }
  });
}

TEST_CASE("max pooling takes the first of equals, prefers NaN and never takes padding") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    const Pool2dDims d{1, 1, 2, 4, 2, 2, 2, 2, 0, 0};
    const std::vector<double> x{-1, -1, 3, NAN,  //
                                -1, -1, 9, 2};
    std::vector<double> y(2);
    std::vector<std::int32_t> argmax(2);
    kernels::pool<double>().max_forward(y.data(), argmax.data(), x.data(), d);
    CHECK(y[0] == -1);
    CHECK(argmax[0] == 0);
    CHECK(std::isnan(y[1]));
    CHECK(argmax[1] == 1);

    const Pool2dDims padded{1, 1, 1, 1, 2, 2, 1, 1, 1, 1};
    const double negative = -INFINITY;
    std::vector<double> z(4);
    std::vector<std::int32_t> where(4);
    kernels::pool<double>().max_forward(z.data(), where.data(), &negative, padded);
    CHECK(z == std::vector<double>(4, -INFINITY));
    CHECK(where == std::vector<std::int32_t>{3, 2, 1, 0});
  });
}
