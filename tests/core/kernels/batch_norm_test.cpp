#include "core/kernels/batch_norm.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// One call of every kernel on x [rows, channels].
template <class T>
struct Results {
  Tensor mean, var, y, sum_dy, sum_dy_xhat, dx, sum, biased;

  Results(const Tensor& x, const Tensor& dy, const Tensor& scale, const Tensor& shift) {
    const auto& k = kernels::batch_norm<T>();
    const std::int64_t rows = x.dim(0), channels = x.dim(1);
    std::vector<double> scratch(static_cast<std::size_t>(kernels::batch_norm_scratch(channels)));
    for (Tensor* t : {&mean, &var, &sum_dy, &sum_dy_xhat, &sum}) *t = Tensor::empty_like(scale);
    y = Tensor::empty_like(x), dx = Tensor::empty_like(x), biased = x.clone();
    k.moments(mean.data<T>(), var.data<T>(), x.data<T>(), rows, channels, scratch.data());
    k.apply(y.data<T>(), x.data<T>(), {mean.data<T>(), scale.data<T>(), shift.data<T>()}, nullptr,
            false, rows, channels);
    k.backward_reduce(sum_dy.data<T>(), sum_dy_xhat.data<T>(), nullptr, dy.data<T>(), {},
                      x.data<T>(), scale.data<T>(), shift.data<T>(), rows, channels,
                      scratch.data());
    k.backward_input(dx.data<T>(), dy.data<T>(), {}, x.data<T>(), sum_dy.data<T>(), scale.data<T>(),
                     shift.data<T>(), mean.data<T>(), rows, channels);
    k.channel_sum(sum.data<T>(), x.data<T>(), rows, channels, scratch.data());
    k.add_bias(biased.data<T>(), shift.data<T>(), rows, channels);
  }
};

template <class T>
void check(std::int64_t rows, std::int64_t channels, std::uint64_t seed) {
  const DType dtype = dtype_of<T>();
  const Tensor x = random_tensor({rows, channels}, seed, dtype);
  const Tensor dy = random_tensor({rows, channels}, seed + 1, dtype);
  const Tensor scale = random_tensor({channels}, seed + 2, dtype);
  const Tensor shift = random_tensor({channels}, seed + 3, dtype);
  const Results<T> got(x, dy, scale, shift);
  const Array vx = x, vdy = dy, vs = scale, vt = shift, vm = got.mean, vsum = got.sum_dy;
  Array y(vx.shape), dx(vx.shape), biased(vx.shape);
  Array sum({channels}), mean({channels}), var({channels}), sum_dy({channels}), xhat({channels});
  const auto m = static_cast<double>(rows);
  for_each_index(vx.shape, [&](const Shape& i) {
    const Shape c{i[1]};
    sum.at(c) += vx.at(i);
    mean.at(c) += vx.at(i) / m;
    sum_dy.at(c) += vdy.at(i);
    xhat.at(c) += vdy.at(i) * (vx.at(i) - vs.at(c)) * vt.at(c);
    y.at(i) = (vx.at(i) - vm.at(c)) * vs.at(c) + vt.at(c);
    dx.at(i) = vs.at(c) * vdy.at(i) + vt.at(c) * (vx.at(i) - vsum.at(c)) + vm.at(c);
    biased.at(i) = vx.at(i) + vt.at(c);
  });
  for_each_index(vx.shape, [&](const Shape& i) {
    var.at({i[1]}) += std::pow(vx.at(i) - mean.at({i[1]}), 2) / m;
  });
  const double tolerance = rounding(dtype);
  expect(all_close(got.sum, sum, tolerance));
  expect(all_close(got.mean, mean, tolerance));
  expect(all_close(got.var, var, tolerance));
  expect(all_close(got.sum_dy, sum_dy, tolerance));
  expect(all_close(got.sum_dy_xhat, xhat, tolerance));
  expect(all_close(got.y, y, tolerance));
  expect(all_close(got.dx, dx, tolerance));
  expect(all_close(got.biased, biased, tolerance));
}

}  // namespace

TEST_CASE("batch_norm kernels of every instruction set agree with the naive loops") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    CHECK(rc::check("float and double", [] {
      const std::int64_t rows = pick(1, 400), channels = pick(1, 300);
      const std::uint64_t seed = pick_seed();
      check<float>(rows, channels, seed);
      check<double>(rows, channels, seed);
    }));
    check<float>(3000, 17, 1);
    check<double>(3000, 65, 1);
  });
}

TEST_CASE("moments are exact to rounding for a mean of 1e4 and a deviation of 1") {
  constexpr std::int64_t kRows = 5000, kChannels = 5;
  Random random(1, Purpose::test);
  std::vector<double> values;
  for (std::int64_t i = 0; i < kRows * kChannels; ++i) values.push_back(1e4 + random.normal());
  const Tensor x = tensor_of(values, {kRows, kChannels}, DType::float32);
  const Moments want = naive_moments(x);  // of the rounded values, in double
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    std::vector<float> mean(kChannels), var(kChannels);
    std::vector<double> scratch(static_cast<std::size_t>(kernels::batch_norm_scratch(kChannels)));
    kernels::batch_norm<float>().moments(mean.data(), var.data(), x.data<float>(), kRows, kChannels,
                                         scratch.data());
    for (std::size_t c = 0; c < kChannels; ++c) {
      CHECK(std::abs(static_cast<double>(mean[c]) - want.mean[c]) < 1e-3);  // one ulp
      CHECK(std::abs(static_cast<double>(var[c]) - want.var[c]) < 1e-5);
    }
  });
}

TEST_CASE("the variance of constant values is zero and of NaN is NaN") {
  std::vector<float> x(2 * 100, 3.3f), mean(2), var(2);
  x[77 * 2 + 1] = NAN;
  std::vector<double> scratch(static_cast<std::size_t>(kernels::batch_norm_scratch(2)));
  kernels::batch_norm<float>().moments(mean.data(), var.data(), x.data(), 100, 2, scratch.data());
  CHECK(mean[0] == 3.3f);
  CHECK(var[0] == 0);
  CHECK(std::isnan(mean[1]));
  CHECK(std::isnan(var[1]));
}

TEST_CASE("batch_norm results do not depend on the number of threads") {
  const Tensor x = random_tensor({4567, 70}, 1, DType::float32);
  const Tensor dy = random_tensor({4567, 70}, 2, DType::float32);
  const Tensor scale = random_tensor({70}, 3, DType::float32);
  const Tensor shift = random_tensor({70}, 4, DType::float32);
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    const auto run = [&](int threads) {
      const ThreadsGuard guard(threads);
      return Results<float>(x, dy, scale, shift);
    };
    const Results<float> one = run(1);
    for (int threads : {2, 3}) {
      const Results<float> more = run(threads);
      CHECK(bit_equal(more.mean, one.mean));
      CHECK(bit_equal(more.var, one.var));
      CHECK(bit_equal(more.y, one.y));
      CHECK(bit_equal(more.sum_dy, one.sum_dy));
      CHECK(bit_equal(more.sum_dy_xhat, one.sum_dy_xhat));
      CHECK(bit_equal(more.dx, one.dx));
      CHECK(bit_equal(more.sum, one.sum));
      CHECK(bit_equal(more.biased, one.biased));
    }
  });
}

TEST_CASE("a mask that is redone from x gives the bits of one that was kept, in place too") {
  for_each_isa([](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    const auto check = []<class T>() {
      for (const std::int64_t channels : {3, 16, 64, 72, 300}) {
        CAPTURE(channels);
        const auto& k = kernels::batch_norm<T>();
        const std::int64_t rows = 77;
        const auto values = [&](const Shape& shape, std::uint64_t seed) {
          return random_tensor(shape, seed, dtype_of<T>());
        };
        const Tensor x = values({rows, channels}, 1), dy = values({rows, channels}, 2),
                     scale = values({channels}, 3), shift = values({channels}, 4),
                     mean = values({channels}, 5);
        Tensor y = Tensor::empty_like(x);
        const kernels::Normalisation<T> norm{mean.data<T>(), scale.data<T>(), shift.data<T>()};
        k.apply(y.data<T>(), x.data<T>(), norm, nullptr, true, rows, channels);
        const auto run = [&](const kernels::ReluMask<T>& mask) {
          std::vector<double> scratch(
              static_cast<std::size_t>(kernels::batch_norm_scratch(channels)));
          Tensor sums = Tensor::empty({2, channels}, x.dtype()), dx = dy.clone();
          T* sum_dy = sums.data<T>();
          k.backward_reduce(sum_dy, sum_dy + channels, nullptr, dy.data<T>(), mask, x.data<T>(),
                            mean.data<T>(), scale.data<T>(), rows, channels, scratch.data());
          k.backward_input(dx.data<T>(), dx.data<T>(), mask, x.data<T>(), mean.data<T>(),
                           scale.data<T>(), shift.data<T>(), sum_dy, rows, channels);
          return std::pair{sums, dx};
        };
        const auto kept = run({.y = y.data<T>()});
        const auto redone = run({.norm = norm});
        const auto none = run({});
        CHECK(bit_equal(kept.first, redone.first));
        CHECK(bit_equal(kept.second, redone.second));
        CHECK_FALSE(bit_equal(none.second, redone.second));
        // one pixel at a time: what the reference engine does
        Tensor pixels = Tensor::empty_like(x);
        for (std::int64_t r = 0; r < rows; ++r) {
          k.norm_relu(pixels.data<T>() + r * channels, x.data<T>() + r * channels, norm, channels);
        }
        CHECK(bit_equal(pixels, y));
      }
    };
    check.operator()<float>();
    check.operator()<double>();
  });
}

TEST_CASE("results that are large enough to go past the caches are those of their parts") {
  const auto check = []<class T>() {
    constexpr std::int64_t kParts = 4, kRows = 2100, kChannels = 1024 * sizeof(float) / sizeof(T);
    const auto values = [](const Shape& shape, std::uint64_t seed) {
      return random_tensor(shape, seed, dtype_of<T>());
    };
    const Tensor x = values({kParts * kRows, kChannels}, 1), dy = values(x.shape(), 2),
                 factors = values({3, kChannels}, 3);
    const T *a = factors.data<T>(), *b = a + kChannels, *c = b + kChannels;
    std::vector<double> scratch(static_cast<std::size_t>(kernels::batch_norm_scratch(kChannels)));
    const auto& k = kernels::batch_norm<T>();
    // [y, dx, g] of all rows, a part of them at a time
    const auto run = [&](std::int64_t parts) {
      std::array<Tensor, 3> out = {Tensor::empty_like(x), Tensor::empty_like(x),
                                   Tensor::empty_like(x)};
      const std::int64_t rows = kParts * kRows / parts;
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t at = part * rows * kChannels;
        const T *from = x.data<T>() + at, *gradient = dy.data<T>() + at;
        T *y = out[0].template data<T>() + at, *dx = out[1].template data<T>() + at,
          *g = out[2].template data<T>() + at;
        k.apply(y, from, {c, a, b}, gradient, true, rows, kChannels);
        k.backward_input(dx, gradient, {.y = y}, from, c, a, b, c, rows, kChannels);
        std::vector<T> sums(2 * kChannels);
        k.backward_reduce(sums.data(), sums.data() + kChannels, g, gradient, {.y = y}, from, a, b,
                          rows, kChannels, scratch.data());
      }
      return out;
    };
    const auto whole = run(1), parts = run(kParts);
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(bit_equal(whole[i], parts[i]));
  };
  for_each_isa([&](kernels::Isa isa) {
    CAPTURE(kernels::name(isa));
    check.operator()<float>();
    check.operator()<double>();
  });
}
