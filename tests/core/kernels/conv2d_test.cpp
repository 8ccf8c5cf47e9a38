#include "core/kernels/conv2d.h"

#include <doctest/doctest.h>

#include "tests/support/conv2d_engines.h"
#include "tests/support/conv_dims.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"
#include "tests/support/reference_kernels.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dDims;
using kernels::Conv2dPass;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

template <class T>
struct Problem {
  Conv2dDims d;
  Tensor x, w, dy;

  Problem(const Conv2dDims& dims, std::uint64_t seed)
      : d(dims),
        x(random_tensor({d.n, d.c_in, d.h_in, d.w_in}, seed, dtype_of<T>(), kChannelsLast)),
        w(random_tensor({d.c_out, d.group_in(), d.k_h, d.k_w}, seed + 1, dtype_of<T>())),
        dy(random_tensor({d.n, d.c_out, d.h_out(), d.w_out()}, seed + 2, dtype_of<T>(),
                         kChannelsLast)) {}

  // The passes, into memory that holds NaN before.
  Tensor run(const kernels::Conv2dEngine<T>& engine, Conv2dPass pass) const {
    const auto plan = engine.plan(d, pass);
    const Storage workspace(plan->workspace_bytes());
    Tensor out = Tensor::empty_like(pass == Conv2dPass::forward          ? dy
                                    : pass == Conv2dPass::backward_input ? x
                                                                         : w);
    out.fill_(NAN);
    const bool gradient = pass == Conv2dPass::backward_weight;
    const Tensor& source = pass == Conv2dPass::backward_input ? dy : x;
    plan->run(out.data<T>(), {source.data<T>()}, (gradient ? dy : w).data<T>(), workspace.data());
    return out;
  }

  Array naive(Conv2dPass pass) const {
    if (pass == Conv2dPass::forward) return naive_conv2d(x, w, d);
    if (pass == Conv2dPass::backward_input) return naive_conv2d_backward_input(dy, w, d);
    return naive_conv2d_backward_weight(dy, x, d);
  }
};

constexpr Conv2dPass kPasses[] = {Conv2dPass::forward, Conv2dPass::backward_input,
                                  Conv2dPass::backward_weight};

template <class T>
void check_reference(const Conv2dDims& d, std::uint64_t seed, double slack = 1) {
  const Problem<T> problem(d, seed);
  for (Conv2dPass pass : kPasses) {
    expect(all_close(problem.run(kernels::reference_conv2d<T>(), pass), problem.naive(pass),
                     slack * rounding(dtype_of<T>())));
  }
}

}  // namespace

TEST_CASE("the reference engine agrees with seven loops in all passes") {
  CHECK(rc::check("float and double", [] {
    const Conv2dDims d = pick_conv2d_dims();
    const std::uint64_t seed = pick_seed();
    check_reference<float>(d, seed);
    check_reference<double>(d, seed);
  }));
}

TEST_CASE("the reference engine normalises what it loads, and no padding") {
  CHECK(rc::check("float and double, pointwise included", [] {
    Conv2dDims d = pick_conv2d_dims();
    if (pick(0, 3) == 0) d.k_h = d.k_w = d.stride_h = d.stride_w = 1, d.pad_h = d.pad_w = 0;
    const std::uint64_t seed = pick_seed();
    const auto check = [&]<class T>(T) {
      const EngineProblem<T> problem = EngineProblem<T>(d, seed).normalised(seed + 3);
      for (Conv2dPass pass : {Conv2dPass::forward, Conv2dPass::backward_weight}) {
        const auto& engine = kernels::reference_conv2d<T>();
        expect(all_close(problem.run(engine, pass), problem.written_out().run(engine, pass),
                         rounding(dtype_of<T>())));
      }
    };
    check(float{});
    check(double{});
  }));
}

TEST_CASE("the reference engine works in several chunks of lines") {
  // 64 lines of 64 positions of depth 9 * 40 in float: 92 KB a line, 512 KB a chunk
  check_reference<float>({1, 40, 64, 64, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}, 1, 5);
}

TEST_CASE("the reference engine gives the same bits for any number of threads, also of one image") {
  CHECK(rc::check("in float", [] {
    Conv2dDims d = pick_conv2d_dims();
    if (pick_bool()) d.n = 1;
    const Problem<float> problem(d, pick_seed());
    for (Conv2dPass pass : kPasses) {
      const auto on = [&](int threads) {
        const ThreadsGuard guard(threads);
        return problem.run(kernels::reference_conv2d<float>(), pass);
      };
      const Tensor one = on(1);
      expect(all_close(one, problem.naive(pass), 1e-4));
      for (int threads : {2, 3, 16}) expect(bit_equal(on(threads), one));
    }
  }));
}

TEST_CASE("a repeated convolution gives the same bits") {
  const Problem<float> problem({5, 8, 9, 9, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}, 1);
  for (Conv2dPass pass : kPasses) {
    const auto& engine = kernels::choose_conv2d<float>(problem.d, pass);
    CHECK(bit_equal(problem.run(engine, pass), problem.run(engine, pass)));
  }
}

TEST_CASE("every engine agrees with the naive loops on what it supports") {
  // plain 3x3, narrow groups, pointwise, strided projection, large kernel, depthwise
  const Conv2dDims problems[] = {
      {2, 16, 8, 8, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {3, 32, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 8},
      {2, 24, 5, 5, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1}, {2, 16, 9, 9, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1},
      {1, 3, 15, 15, 8, 7, 7, 2, 2, 3, 3, 1, 1, 1}, {2, 12, 6, 6, 12, 3, 3, 2, 2, 1, 1, 1, 1, 12},
      {1, 64, 4, 4, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 32, 7, 7, 64, 3, 3, 2, 2, 1, 1, 1, 1, 4}};
  for_each_conv2d_engine([&](std::string_view engine_name) {
    for_each_isa([&](kernels::Isa isa) {
      CAPTURE(std::string(engine_name));
      CAPTURE(kernels::name(isa));
      for (std::size_t i = 0; i < std::size(problems); ++i) {
        CAPTURE(i);
        const Problem<float> problem(problems[i], i);
        for (Conv2dPass pass : kPasses) {
          CAPTURE(static_cast<int>(pass));
          const auto& engine = kernels::choose_conv2d<float>(problem.d, pass);
          CHECK(all_close(problem.run(engine, pass), problem.naive(pass), 1e-4));
        }
      }
    });
  });
}

TEST_CASE("an engine is chosen by name, and an unknown name changes nothing") {
  CHECK(kernels::conv2d_engine_setting() == "auto");
  CHECK_FALSE(kernels::set_conv2d_engine("abacus"));
  CHECK(kernels::conv2d_engine_setting() == "auto");
  REQUIRE(kernels::set_conv2d_engine("reference"));
  const Conv2dDims d{1, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1};
  CHECK(kernels::choose_conv2d<float>(d, Conv2dPass::forward).name() == "reference");
  CHECK(kernels::set_conv2d_engine("auto"));
  CHECK(kernels::conv2d_engine_names().back() == "reference");
}

TEST_CASE("the sizes of a convolution follow its formula") {
  const Conv2dDims d{2, 8, 9, 10, 12, 3, 5, 2, 1, 1, 2, 2, 1, 4};
  CHECK(d.h_out() == 4);   // (9 + 2 - 4 - 1) / 2 + 1
  CHECK(d.w_out() == 10);  // (10 + 4 - 4 - 1) / 1 + 1
  CHECK(d.group_in() == 2);
  CHECK(d.group_out() == 3);
  CHECK(d.macs() == 2 * 4 * 10 * 12 * 2 * 15);
}
