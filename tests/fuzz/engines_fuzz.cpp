// A random convolution, made of the input's bytes: each engine that supports a pass agrees with the
// reference engine.
#include <algorithm>
#include <cmath>

#include "core/kernels/conv2d.h"
#include "core/random.h"
#include "tests/fuzz/support.h"

using namespace resgrad;
using namespace resgrad::fuzz;

namespace {

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  Random random(seed, Purpose::test);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(random.uniform(-1, 1));
  return values;
}

std::vector<float> run(const kernels::Conv2dEngine<float>& engine, const kernels::Conv2dDims& d,
                       kernels::Conv2dPass pass, std::int64_t results,
                       const std::vector<float>& source, const std::vector<float>& factor) {
  const auto plan = engine.plan(d, pass);
  std::vector<float> result(static_cast<std::size_t>(results));
  const std::size_t bytes = (plan->workspace_bytes() + 63) / 64 * 64;
  auto* const workspace = static_cast<std::byte*>(std::aligned_alloc(64, bytes + 64));
  plan->run(result.data(), {source.data()}, factor.data(), workspace);
  std::free(workspace);
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 10) return 0;
  constexpr std::int64_t kWidths[] = {1, 2, 3, 4, 8, 16, 32, 48};
  const std::int64_t groups = data[0] % 2 == 0 ? 1 : kWidths[data[1] % 6];
  kernels::Conv2dDims d{};
  d.groups = groups;
  d.c_in = groups * kWidths[data[2] % 8], d.c_out = groups * kWidths[data[3] % 8];
  if (d.c_in > 96 || d.c_out > 96) return 0;
  d.n = 1 + data[4] % 3, d.h_in = 1 + data[5] % 13, d.w_in = 1 + data[6] % 13;
  d.k_h = d.k_w = data[7] % 2 == 0 ? 3 : 1 + data[7] / 2 % 3;
  d.stride_h = d.stride_w = 1 + data[8] % 2;
  d.pad_h = d.pad_w = data[8] / 2 % 2 == 0 ? d.k_h / 2 : data[8] / 4 % 2;
  d.dilation_h = d.dilation_w = 1;
  if (d.h_out() < 1 || d.w_out() < 1) return 0;
  const std::int64_t x_size = d.n * d.h_in * d.w_in * d.c_in;
  const std::int64_t y_size = d.n * d.h_out() * d.w_out() * d.c_out;
  const std::int64_t w_size = d.c_out * d.group_in() * d.k_h * d.k_w;
  const std::vector<float> x = random_values(x_size, data[9]), w = random_values(w_size, 1),
                           dy = random_values(y_size, 2);
  struct Pass {
    kernels::Conv2dPass pass;
    std::int64_t results;
    const std::vector<float>&source, &factor;
  };
  const Pass passes[] = {{kernels::Conv2dPass::forward, y_size, x, w},
                         {kernels::Conv2dPass::backward_input, x_size, dy, w},
                         {kernels::Conv2dPass::backward_weight, w_size, x, dy}};
  for (const Pass& p : passes) {
    const auto expected =
        run(kernels::reference_conv2d<float>(), d, p.pass, p.results, p.source, p.factor);
    const double terms = static_cast<double>(y_size) / static_cast<double>(d.c_out);
    for (const auto* engine :
         {&kernels::winograd_conv2d(), &kernels::grouped_conv2d(), &kernels::direct_conv2d()}) {
      if (!engine->supports(d, p.pass)) continue;
      const auto result = run(*engine, d, p.pass, p.results, p.source, p.factor);
      for (std::size_t i = 0; i < result.size(); ++i) {
        const double size_of_sum = 1 + std::sqrt(terms + static_cast<double>(w_size));
        expect(std::abs(result[i] - expected[i]) <= 1e-4 * size_of_sum,
               "engines agree with the reference");
      }
    }
  }
  return 0;
}
