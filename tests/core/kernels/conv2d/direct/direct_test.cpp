#include "core/kernels/conv2d.h"

#include "tests/support/conv2d_engines.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dDims;
using kernels::Conv2dPass;

namespace {

EngineCase direct() {
  return {kernels::direct_conv2d(), 1e-5};
}

bool refuses(Conv2dDims d, void (*change)(Conv2dDims&)) {
  REQUIRE(direct().engine.supports(d, Conv2dPass::forward));
  change(d);
  return !direct().engine.supports(d, Conv2dPass::forward);
}

}  // namespace

TEST_CASE("direct convolution agrees with the reference on random sizes and groups") {
  CHECK(rc::check("any taps, stride and padding", [] {
    Conv2dDims d{};
    d.n = pick(1, 3), d.groups = pick_bool() ? 1 : pick(2, 5), d.dilation_h = d.dilation_w = 1;
    d.c_in = d.groups * (pick_bool() ? pick_channels() : pick(1, 5));
    d.c_out = d.groups * pick_channels();
    d.k_h = pick(1, 5), d.k_w = pick(1, 5);
    d.stride_h = pick(1, 3), d.stride_w = pick(1, 3);
    d.pad_h = pick(0, 3), d.pad_w = pick(0, 3);
    d.h_in = std::max(pick(1, 12), d.k_h - 2 * d.pad_h);
    d.w_in = std::max(pick(1, 12), d.k_w - 2 * d.pad_w);
    check_engine(direct(), d, pick_seed());
  }));
}

TEST_CASE("direct convolution agrees with the reference on the shapes of grouped networks") {
  // transitions of wide and of narrower groups, pointwise, several sums of a gradient
  for (const Conv2dDims& d : {in_groups(4, square_conv2d(1, 128, 128, 16, 16, 3, 2)),
                              in_groups(8, square_conv2d(3, 32, 64, 15, 16, 3, 2)),
                              in_groups(3, square_conv2d(2, 272, 80, 5, 3, 1, 1)),
                              in_groups(2, square_conv2d(2, 16, 16, 48, 47, 1, 1))}) {
    check_engine(direct(), d, 1);
  }
}

TEST_CASE("direct convolution agrees with the reference on the shapes of residual networks") {
  // stems, pointwise, wide pointwise, projections, transitions between stages
  for (const Conv2dDims& d :
       {square_conv2d(2, 3, 64, 32, 32, 3, 1), square_conv2d(1, 3, 64, 37, 41, 7, 2),
        square_conv2d(3, 64, 128, 9, 11, 1, 1), square_conv2d(1, 1040, 272, 5, 3, 1, 1),
        square_conv2d(2, 64, 128, 9, 8, 1, 2), square_conv2d(2, 64, 128, 15, 16, 3, 2),
        square_conv2d(1, 256, 512, 8, 8, 3, 2), square_conv2d(3, 16, 32, 32, 32, 3, 2),
        square_conv2d(3, 3, 288, 16, 11, 1, 1), square_conv2d(2, 7, 528, 17, 16, 3, 1),
        square_conv2d(2, 40, 320, 16, 16, 1, 1)}) {
    check_engine(direct(), d, 1);
  }
}

TEST_CASE(
    "direct convolution agrees with the reference where results are written past the caches") {
  // y, then dx, of more than 16 MB
  check_engine(direct(), square_conv2d(1, 16, 80, 232, 232, 1, 1), 1);
  check_engine(direct(), square_conv2d(1, 80, 16, 232, 232, 1, 1), 1);
}

TEST_CASE("direct convolution declines what it cannot do") {
  const Conv2dDims d = square_conv2d(8, 64, 64, 16, 16, 3, 2);
  CHECK(refuses(d, [](Conv2dDims& o) { o.groups = 32; }));  // 2 channels a group
  CHECK(refuses(d, [](Conv2dDims& o) { o.dilation_h = 2; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.c_out = 10; }));
}

TEST_CASE("the planner takes winograd for 3x3, and direct for others without dilation") {
  const auto planned = [](const Conv2dDims& d) {
    return kernels::choose_conv2d<float>(d, Conv2dPass::forward).name();
  };
  CHECK(planned(square_conv2d(8, 64, 64, 16, 16, 3, 1)) == "winograd");
  CHECK(planned(square_conv2d(32, 64, 128, 16, 16, 3, 2)) == "winograd");
  CHECK(planned(square_conv2d(31, 64, 128, 16, 16, 3, 2)) == "direct");  // few tiles
  CHECK(planned(square_conv2d(8, 64, 128, 16, 16, 1, 1)) == "direct");
  CHECK(planned(square_conv2d(8, 3, 64, 32, 32, 3, 1)) == "direct");
  CHECK(planned(square_conv2d(8, 7, 7, 8, 8, 3, 1)) == "reference");
  const auto planned_in_groups = [&](std::int64_t groups, std::int64_t k, std::int64_t stride) {
    Conv2dDims d = square_conv2d(8, groups * 32, groups * 32, 16, 16, k, stride);
    d.groups = groups;
    return planned(d);
  };
  CHECK(planned_in_groups(8, 3, 1) == "winograd");
  CHECK(planned_in_groups(8, 3, 2) == "direct");
  CHECK(planned_in_groups(8, 1, 1) == "direct");
}
