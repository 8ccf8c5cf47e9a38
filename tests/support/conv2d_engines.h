// Checks of the float convolution engines: every pass against the reference engine in double, under
// every instruction set, on one and two threads, with plain and with normalised inputs.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>

#include "core/kernels/conv2d.h"
#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

namespace resgrad::testing {

/// An engine with what its results may be off by, as a share of `problem.scale_of(pass)`.
struct EngineCase {
  const kernels::Conv2dEngine<float>& engine;
  double tolerance;
};

/// The operands of a convolution: the same values in T = float and double, up to rounding.
template <class T>
struct EngineProblem {
  kernels::Conv2dDims d;
  Tensor x, w, dy;
  Tensor mean, scale, shift;  // of an input that is normalised while it is loaded

  EngineProblem(const kernels::Conv2dDims& dims, std::uint64_t seed)
      : d(dims),
        x(make({d.n, d.c_in, d.h_in, d.w_in}, seed, MemoryFormat::channels_last)),
        w(make({d.c_out, d.group_in(), d.k_h, d.k_w}, seed + 1, MemoryFormat::contiguous)),
        dy(make({d.n, d.c_out, d.h_out(), d.w_out()}, seed + 2, MemoryFormat::channels_last)) {}

  static Tensor make(const Shape& shape, std::uint64_t seed, MemoryFormat format) {
    return random_tensor(shape, seed, dtype_of<T>(), format);
  }

  // The same convolution of relu((x - mean) * scale + shift). Most shifts are not 0, so that
  // padding which was normalised too would show.
  EngineProblem normalised(std::uint64_t seed) const {
    EngineProblem other = *this;
    other.scale = make({d.c_in}, seed, MemoryFormat::contiguous);
    other.shift = make({d.c_in}, seed + 1, MemoryFormat::contiguous);
    other.mean = make({d.c_in}, seed + 2, MemoryFormat::contiguous);
    return other;
  }

  // The same with the input written out by plain loops.
  EngineProblem written_out() const {
    EngineProblem other = *this;
    if (!scale.defined()) return other;
    other.x = x.clone(), other.scale = Tensor(), other.shift = Tensor();
    T* values = other.x.template data<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i % d.c_in;
      const T v = (values[i] - mean.data<T>()[c]) * scale.data<T>()[c] + shift.data<T>()[c];
      values[i] = v > 0 ? v : 0;
    }
    return other;
  }

  kernels::Conv2dInput<T> input() const {
    if (!scale.defined()) return {x.data<T>()};
    return {x.data<T>(), {mean.data<T>(), scale.data<T>(), shift.data<T>()}};
  }

  // The size that rounding errors of a pass are measured by: the largest root of a sum of squared
  // products. A few products can cancel to a result far below it; their errors do not.
  double scale_of(kernels::Conv2dPass pass) const {
    EngineProblem squares = *this;
    squares.x = x.clone(), squares.w = w.clone(), squares.dy = dy.clone();
    squares.scale = Tensor(), squares.shift = Tensor();
    T* values = squares.x.template data<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const std::int64_t c = i % d.c_in;
      if (scale.defined()) {
        const T size = std::abs(values[i]) + std::abs(mean.data<T>()[c]);
        values[i] = size * std::abs(scale.data<T>()[c]) + std::abs(shift.data<T>()[c]);
      }
      values[i] *= values[i];
    }
    for (Tensor* t : {&squares.w, &squares.dy}) {
      T* v = t->template data<T>();
      for (std::int64_t i = 0; i < t->numel(); ++i) v[i] *= v[i];
    }
    const auto sums = squares.run(kernels::reference_conv2d<T>(), pass).template to_vector<T>();
    return std::sqrt(static_cast<double>(*std::max_element(sums.begin(), sums.end())));
  }

  // A pass, into memory that holds NaN before, with a workspace that holds NaN too.
  Tensor run(const kernels::Conv2dEngine<T>& engine, kernels::Conv2dPass pass) const {
    constexpr std::size_t kGuardBytes = 256;
    constexpr std::byte kGuard{0x5a};
    const auto plan = engine.plan(d, pass);
    const std::size_t bytes = plan->workspace_bytes();
    const Storage workspace(bytes + kGuardBytes);
    std::fill_n(workspace.data(), bytes, std::byte{0xff});
    std::fill_n(workspace.data() + bytes, kGuardBytes, kGuard);
    Tensor out = Tensor::empty_like(pass == kernels::Conv2dPass::forward          ? dy
                                    : pass == kernels::Conv2dPass::backward_input ? x
                                                                                  : w);
    out.fill_(NAN);
    T* to = out.data<T>();
    if (pass == kernels::Conv2dPass::forward) {
      plan->run(to, input(), w.data<T>(), workspace.data());
    } else if (pass == kernels::Conv2dPass::backward_input) {
      plan->run(to, {dy.data<T>()}, w.data<T>(), workspace.data());
    } else {
      plan->run(to, input(), dy.data<T>(), workspace.data());
    }
    const std::byte* end = workspace.data() + bytes;
    CHECK_MESSAGE(std::all_of(end, end + kGuardBytes, [](std::byte b) { return b == kGuard; }),
                  "wrote behind the workspace");
    return out;
  }
};

/// The largest difference; NaN counts as infinite.
inline double largest_error(const Tensor& got, const Tensor& want) {
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  double error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
  }
  return error;
}

inline std::string describe(const EngineCase& c, const kernels::Conv2dDims& d,
                            kernels::Conv2dPass pass) {
  return fmt::format(
      "{} {}, pass {}, n {}, {} -> {} channels, {}x{}, taps {}x{}, stride {}x{}, "
      "padding {}x{}",
      c.engine.name(), kernels::name(kernels::active_isa()), static_cast<int>(pass), d.n, d.c_in,
      d.c_out, d.h_in, d.w_in, d.k_h, d.k_w, d.stride_h, d.stride_w, d.pad_h, d.pad_w);
}

/// Compares the passes that the engine supports with those of `exact` on the reference engine, on
/// one thread, and then with themselves on several. `exact` keeps scale and shift; its input is
/// written out here.
inline void check_passes(const EngineCase& c, const EngineProblem<float>& problem,
                         const EngineProblem<double>& exact,
                         std::initializer_list<kernels::Conv2dPass> passes) {
  const kernels::Conv2dDims& d = problem.d;
  for (auto pass : passes) {
    const Tensor want = exact.written_out().run(kernels::reference_conv2d<double>(), pass);
    const double allowed = c.tolerance * exact.scale_of(pass);
    for_each_isa([&](kernels::Isa) {
      if (!c.engine.supports(d, pass)) return;
      const auto on = [&](int threads) {
        const ThreadsGuard guard(threads);
        return problem.run(c.engine, pass);
      };
      const Tensor got = on(1);
      CHECK_MESSAGE(largest_error(got, want) <= allowed, describe(c, d, pass));
      for (int threads : {2, 3, 8}) {
        CHECK_MESSAGE(bit_equal(on(threads), got), describe(c, d, pass));
      }
    });
  }
}

/// All passes with a plain input, and those that read the input with a normalised one.
inline void check_engine(const EngineCase& c, const kernels::Conv2dDims& d, std::uint64_t seed) {
  using kernels::Conv2dPass;
  const EngineProblem<float> problem(d, seed);
  const EngineProblem<double> exact(d, seed);
  check_passes(c, problem, exact,
               {Conv2dPass::forward, Conv2dPass::backward_input, Conv2dPass::backward_weight});
  INFO("input normalised while it is loaded");
  check_passes(c, problem.normalised(seed + 3), exact.normalised(seed + 3),
               {Conv2dPass::forward, Conv2dPass::backward_weight});
}

/// Taps k x k, padded by half of them.
inline kernels::Conv2dDims square_conv2d(std::int64_t n, std::int64_t c_in, std::int64_t c_out,
                                         std::int64_t h, std::int64_t w, std::int64_t k,
                                         std::int64_t stride) {
  return {n, c_in, h, w, c_out, k, k, stride, stride, k / 2, k / 2, 1, 1, 1};
}

/// So many groups, each a convolution with the channels of `d`.
inline kernels::Conv2dDims in_groups(std::int64_t groups, kernels::Conv2dDims d) {
  d.groups = groups, d.c_in *= groups, d.c_out *= groups;
  return d;
}

/// Channels that fill whole vectors of at least one instruction set, mostly of all.
inline std::int64_t pick_channels() {
  return pick(0, 3) == 0 ? 4 * pick(1, 9) : 16 * pick(1, 6);
}

}  // namespace resgrad::testing
