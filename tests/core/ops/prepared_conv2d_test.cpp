#include "core/ops/prepared_conv2d.h"

#include <doctest/doctest.h>

#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/relu.h"
#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

struct Sizes {
  std::int64_t n, c_in, h, w, c_out, kernel, stride, groups;
};

// What every engine takes: winograd (in tiles, planes and groups), direct (few rows, pointwise,
// strided), grouped, and what only the reference does.
const Sizes kSizes[] = {
    {3, 32, 9, 10, 48, 3, 1, 1},  {1, 64, 16, 16, 64, 3, 1, 1}, {1, 208, 8, 8, 192, 3, 1, 1},
    {2, 128, 8, 7, 128, 3, 1, 4}, {2, 384, 9, 5, 400, 3, 1, 2}, {1, 128, 4, 4, 160, 3, 2, 1},
    {2, 64, 5, 7, 96, 1, 1, 1},   {2, 64, 6, 7, 64, 3, 2, 2},   {1, 3, 11, 12, 16, 3, 1, 1},
    {2, 32, 7, 9, 32, 3, 1, 8},   {2, 5, 6, 7, 9, 3, 1, 1}};

struct Problem {
  explicit Problem(const Sizes& s, std::uint64_t seed = 1)
      : x(random_tensor({s.n, s.c_in, s.h, s.w}, seed, DType::float32, kChannelsLast)),
        weights{random_tensor({s.c_out, s.c_in / s.groups, s.kernel, s.kernel}, seed + 1,
                              DType::float32),
                random_tensor({s.c_out}, seed + 2, DType::float32)},
        options{.stride = s.stride, .padding = s.kernel / 2, .groups = s.groups},
        y(conv2d(x, weights.weight, weights.bias, options)),
        residual(random_tensor(y.shape(), seed + 3, DType::float32, kChannelsLast)) {}

  Tensor x;
  Conv2dWeights weights;
  Conv2dOptions options;
  Tensor y, residual;
};

}  // namespace

TEST_CASE("a prepared convolution has the bits of conv2d, with what follows added in its store") {
  for_each_isa([&](kernels::Isa isa) {
    for (const Sizes& s : kSizes) {
      CAPTURE(kernels::name(isa));
      CAPTURE(s.c_in);
      const Problem p(s);
      for (const int threads : {1, 2, 3}) {
        const ThreadsGuard guard(threads);
        PreparedConv2d prepared(p.weights, p.options);
        CHECK(bit_equal(prepared({p.x}, {}, false), p.y));
        CHECK(bit_equal(prepared({p.x}, {}, true), relu(p.y)));
        CHECK(bit_equal(prepared({p.x}, p.residual, false), p.y + p.residual));
        CHECK(bit_equal(prepared({p.x}, p.residual, true), relu(p.y + p.residual)));
        PreparedConv2d bare({p.weights.weight, {}}, p.options);
        CHECK(bit_equal(bare({p.x}, {}, true), relu(conv2d(p.x, p.weights.weight, {}, p.options))));
      }
    }
  });
}

TEST_CASE("a prepared convolution serves other sizes, formats and instruction sets") {
  const Problem large({4, 64, 16, 16, 64, 3, 1, 1}), small({1, 64, 3, 2, 64, 3, 1, 1});
  PreparedConv2d prepared(large.weights, large.options);
  CHECK(prepared.bytes() == 0);
  for_each_isa([&](kernels::Isa) {
    for (const Problem* p : {&large, &small}) {
      const Tensor want = conv2d(p->x, large.weights.weight, large.weights.bias, large.options);
      CHECK(bit_equal(prepared({p->x}, {}, false), want));
      const Tensor contiguous = p->x.clone().detach(MemoryFormat::contiguous);
      const Tensor y = prepared({contiguous}, {}, false);
      CHECK(y.memory_format() == MemoryFormat::contiguous);
      CHECK(all_close(y, want, 0));
    }
  });
  const std::size_t once = prepared.bytes();
  CHECK(once > 0);
  prepared({large.x}, {}, false);
  CHECK(prepared.bytes() == once);
}

TEST_CASE("a folded norm gives what the norm behind the convolution gives") {
  const Problem p({3, 32, 9, 10, 48, 3, 1, 1});
  const Tensor weight = random_tensor({48}, 7, DType::float32),
               bias = random_tensor({48}, 8, DType::float32);
  Tensor mean = random_tensor({48}, 9, DType::float32),
         var = random_tensor({48}, 10, DType::float32) * random_tensor({48}, 10, DType::float32) +
               0.25;
  const BatchNormOptions options{.training = false};
  const BatchNormFactors factors = batch_norm_factors(p.y, weight, bias, mean, var, options);
  for (const Tensor& conv_bias : {p.weights.bias, Tensor()}) {
    const Conv2dWeights folded = fold_batch_norm({p.weights.weight, conv_bias}, factors);
    const Tensor y = conv2d(p.x, p.weights.weight, conv_bias, p.options);
    CHECK(all_close(conv2d(p.x, folded.weight, folded.bias, p.options),
                    batch_norm(y, weight, bias, mean, var, options), 1e-3));
  }
}

TEST_CASE("a prepared convolution says what does not fit") {
  const Problem p({1, 32, 5, 6, 48, 3, 1, 1});
  PreparedConv2d prepared(p.weights, p.options);
  CHECK_THROWS_AS(prepared({p.y}, {}, false), ShapeError);
  CHECK_THROWS_AS(prepared({p.x}, p.x, false), ShapeError);
  CHECK_THROWS_AS(PreparedConv2d({random_tensor({4, 4, 3, 3}, 1, DType::float64), {}}, {}),
                  ValueError);
}
