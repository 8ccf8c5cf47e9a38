// Checks of the float convolution engines: every pass against the reference engine in double, under
// every instruction set, on one and two threads.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/kernels/conv2d.h"
#include "tests/support/guards.h"
#include "tests/support/property.h"
#include "tests/support/random_tensor.h"

namespace resgrad::testing {

/// An engine with what its results may be off by, as a share of the largest one.
struct EngineCase {
  const kernels::Conv2dEngine<float>& engine;
  double tolerance;
};

/// The operands of a convolution: the same values in T = float and double, up to rounding.
template <class T>
struct EngineProblem {
  kernels::Conv2dDims d;
  Tensor x, w, dy;

  EngineProblem(const kernels::Conv2dDims& dims, std::uint64_t seed)
      : d(dims),
        x(make({d.n, d.c_in, d.h_in, d.w_in}, seed, MemoryFormat::channels_last)),
        w(make({d.c_out, d.group_in(), d.k_h, d.k_w}, seed + 1, MemoryFormat::contiguous)),
        dy(make({d.n, d.c_out, d.h_out(), d.w_out()}, seed + 2, MemoryFormat::channels_last)) {}

  static Tensor make(const Shape& shape, std::uint64_t seed, MemoryFormat format) {
    return random_tensor(shape, seed, dtype_of<T>(), format);
  }

  // A pass, into memory that holds NaN before, with a workspace that holds NaN too.
  Tensor run(const kernels::Conv2dEngine<T>& engine, kernels::Conv2dPass pass) const {
    constexpr std::size_t kGuardBytes = 256;
    constexpr std::byte kGuard{0x5a};
    const std::size_t bytes = engine.workspace_bytes(d, pass);
    const Storage workspace(bytes + kGuardBytes);
    std::fill_n(workspace.data(), bytes, std::byte{0xff});
    std::fill_n(workspace.data() + bytes, kGuardBytes, kGuard);
    Tensor out = Tensor::empty_like(pass == kernels::Conv2dPass::forward          ? dy
                                    : pass == kernels::Conv2dPass::backward_input ? x
                                                                                  : w);
    out.fill_(NAN);
    T* to = out.data<T>();
    if (pass == kernels::Conv2dPass::forward) {
      engine.forward(to, x.data<T>(), w.data<T>(), d, workspace.data());
    } else if (pass == kernels::Conv2dPass::backward_input) {
      engine.backward_input(to, dy.data<T>(), w.data<T>(), d, workspace.data());
    } else {
      engine.backward_weight(to, dy.data<T>(), x.data<T>(), d, workspace.data());
    }
    const std::byte* end = workspace.data() + bytes;
    CHECK_MESSAGE(std::all_of(end, end + kGuardBytes, [](std::byte b) { return b == kGuard; }),
                  "wrote behind the workspace");
    return out;
  }
};

/// The largest difference as a share of the largest expected value; NaN counts as infinite.
inline double relative_error(const Tensor& got, const Tensor& want) {
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  double error = 0, largest = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
    largest = std::max(largest, std::abs(b[i]));
  }
  return error / largest;
}

inline std::string describe(const EngineCase& c, const kernels::Conv2dDims& d,
                            kernels::Conv2dPass pass) {
  return fmt::format(
      "{} {}, pass {}, n {}, {} -> {} channels, {}x{}, taps {}x{}, stride {}x{}, "
      "padding {}x{}",
      c.engine.name(), kernels::name(kernels::active_isa()), static_cast<int>(pass), d.n, d.c_in,
      d.c_out, d.h_in, d.w_in, d.k_h, d.k_w, d.stride_h, d.stride_w, d.pad_h, d.pad_w);
}

/// Compares the passes that the engine supports, on one and two threads, twice each.
inline void check_engine(const EngineCase& c, const kernels::Conv2dDims& d, std::uint64_t seed) {
  const EngineProblem<float> problem(d, seed);
  const EngineProblem<double> exact(d, seed);
  for (auto pass : {kernels::Conv2dPass::forward, kernels::Conv2dPass::backward_input,
                    kernels::Conv2dPass::backward_weight}) {
    const Tensor want = exact.run(kernels::reference_conv2d<double>(), pass);
    for_each_isa([&](kernels::Isa) {
      if (!c.engine.supports(d, pass)) return;
      for (int threads : {1, 2}) {
        const ThreadsGuard guard(threads);
        const Tensor got = problem.run(c.engine, pass);
        CHECK_MESSAGE(relative_error(got, want) <= c.tolerance, describe(c, d, pass));
        CHECK_MESSAGE(bit_equal(got, problem.run(c.engine, pass)), describe(c, d, pass));
      }
    });
  }
}

/// Taps k x k, padded by half of them.
inline kernels::Conv2dDims square_conv2d(std::int64_t n, std::int64_t c_in, std::int64_t c_out,
                                         std::int64_t h, std::int64_t w, std::int64_t k,
                                         std::int64_t stride) {
  return {n, c_in, h, w, c_out, k, k, stride, stride, k / 2, k / 2, 1, 1, 1};
}

/// Channels that fill whole vectors of at least one instruction set, mostly of all.
inline std::int64_t pick_channels() {
  return pick(0, 3) == 0 ? 4 * pick(1, 9) : 16 * pick(1, 6);
}

}  // namespace resgrad::testing
