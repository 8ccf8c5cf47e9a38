#include "core/kernels/conv2d.h"

#include "tests/support/conv2d_engines.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dDims;
using kernels::Conv2dPass;

namespace {

EngineCase grouped() {
  return {kernels::grouped_conv2d(), 1e-5};
}

Conv2dDims grouped_conv2d(std::int64_t n, std::int64_t groups, std::int64_t width, std::int64_t h,
                          std::int64_t w, std::int64_t stride) {
  Conv2dDims d = square_conv2d(n, groups * width, groups * width, h, w, 3, stride);
  d.groups = groups;
  return d;
}

bool refuses(Conv2dDims d, void (*change)(Conv2dDims&)) {
  REQUIRE(grouped().engine.supports(d, Conv2dPass::forward));
  change(d);
  return !grouped().engine.supports(d, Conv2dPass::forward);
}

}  // namespace

TEST_CASE("grouped convolution agrees with the reference on random sizes") {
  CHECK(rc::check("partly filled vectors and odd sizes included", [] {
    const std::int64_t width = std::int64_t{2} << pick(0, 3);
    check_engine(
        grouped(),
        grouped_conv2d(pick(1, 3), pick(2, 9), width, pick(1, 13), pick(1, 13), pick(1, 2)),
        pick_seed());
  }));
}

TEST_CASE("grouped convolution agrees with the reference on the shapes of ResNeXt") {
  // one band and several, lines of one tile and several
  for (std::int64_t stride : {1, 2}) {
    for (std::int64_t width : {2, 4, 8, 16}) {
      check_engine(grouped(), grouped_conv2d(2, 8, width, 32, 32, stride), 1);
      check_engine(grouped(), grouped_conv2d(1, 3, width, 37, 41, stride), 2);
    }
  }
}

TEST_CASE("grouped convolution declines what it cannot do") {
  const Conv2dDims d = grouped_conv2d(8, 32, 4, 16, 16, 1);
  CHECK(refuses(d, [](Conv2dDims& o) { o.stride_w = 2; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.stride_h = o.stride_w = 3; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.pad_h = 0; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.k_w = 1; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.dilation_h = 2; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.groups = 2; }));  // 64 channels a group
  CHECK(refuses(d, [](Conv2dDims& o) { o.groups = 1, o.c_in = o.c_out = 16; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.c_out = 256; }));  // more channels out than in
}

TEST_CASE(
    "the planner takes the grouped engine for narrow groups, and for wider ones with a stride") {
  const auto planned = [](std::int64_t width, std::int64_t stride) {
    return kernels::choose_conv2d<float>(grouped_conv2d(8, 32, width, 16, 16, stride),
                                         Conv2dPass::forward)
        .name();
  };
  for_each_isa([&](kernels::Isa) {
    CHECK(planned(4, 1) == "grouped");
    CHECK(planned(4, 2) == "grouped");
    CHECK(planned(8, 2) == "grouped");
    CHECK(planned(16, 1) == "winograd");
  });
}
