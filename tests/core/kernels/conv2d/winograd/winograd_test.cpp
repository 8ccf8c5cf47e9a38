#include "core/kernels/conv2d.h"

#include "tests/support/conv2d_engines.h"

using namespace resgrad;
using namespace resgrad::testing;
using kernels::Conv2dDims;
using kernels::Conv2dPass;

namespace {

EngineCase winograd() {
  return {kernels::winograd_conv2d(), 1e-4};
}

// Stride 2, with so many images that it is worth it: 128 tiles of outputs.
Conv2dDims strided(std::int64_t c_in, std::int64_t c_out, std::int64_t h, std::int64_t w) {
  const std::int64_t tiles = (h + 7) / 8 * ((w + 7) / 8);
  return square_conv2d((127 + tiles) / tiles, c_in, c_out, h, w, 3, 2);
}

bool refuses(Conv2dDims d, void (*change)(Conv2dDims&)) {
  REQUIRE(winograd().engine.supports(d, Conv2dPass::forward));
  change(d);
  return !winograd().engine.supports(d, Conv2dPass::forward);
}

}  // namespace

TEST_CASE("winograd agrees with the reference on random sizes") {
  CHECK(rc::check("edge tiles included", [] {
    const std::int64_t c_in = pick_channels(), c_out = pick_channels();
    check_engine(winograd(), square_conv2d(pick(1, 4), c_in, c_out, pick(1, 13), pick(1, 13), 3, 1),
                 pick_seed());
  }));
}

TEST_CASE("winograd agrees with the reference on random groups") {
  CHECK(rc::check("groups of as many outputs as inputs or not", [] {
    const std::int64_t groups = pick(2, 5), c_in = pick_channels(), c_out = pick_channels();
    Conv2dDims d =
        square_conv2d(pick(1, 3), groups * c_in, groups * c_out, pick(1, 13), pick(1, 13), 3, 1);
    d.groups = groups;
    check_engine(winograd(), d, pick_seed());
  }));
}

TEST_CASE("winograd with stride 2 agrees with the reference on sizes of all remainders") {
  // by 8, the size of an output tile's inputs; channels that the widest vectors do not fill, too
  for (std::int64_t h = 33; h < 41; ++h) {
    const std::int64_t w = 73 - h;
    check_engine(winograd(), strided(8 * (h % 3 + 1), h % 2 == 0 ? 16 : 24, h, w),
                 static_cast<std::uint64_t>(h));
  }
  check_engine(winograd(), in_groups(3, strided(32, 16, 31, 24)), 1);
}

TEST_CASE("winograd agrees with the reference on groups, shared in every way") {
  // groups that go round and that do not, with one sum and several; planes; columns
  for (const Conv2dDims& d :
       {in_groups(8, square_conv2d(1, 32, 32, 16, 16, 3, 1)),
        in_groups(5, square_conv2d(2, 16, 48, 9, 14, 3, 1)),
        in_groups(2, square_conv2d(33, 16, 16, 32, 32, 3, 1)),
        in_groups(2, square_conv2d(4, 208, 192, 9, 21, 3, 1)),
        in_groups(2, square_conv2d(3, 336, 368, 7, 6, 3, 1)), in_groups(6, strided(32, 48, 33, 30)),
        in_groups(2, strided(80, 208, 23, 42))}) {
    REQUIRE(winograd().engine.supports(d, Conv2dPass::forward));
    check_engine(winograd(), d, 1);
  }
}

TEST_CASE("winograd agrees with the reference in every way of sharing the work") {
  // tiles, several chunks a thread; planes, several chunks; columns, the last block narrower
  for (const Conv2dDims& d :
       {square_conv2d(3, 64, 48, 33, 30, 3, 1), square_conv2d(4, 208, 272, 23, 21, 3, 1),
        square_conv2d(1, 256, 256, 1, 1, 3, 1), square_conv2d(3, 336, 368, 7, 6, 3, 1),
        strided(64, 48, 65, 60), strided(96, 272, 45, 42), strided(176, 368, 7, 8)}) {
    check_engine(winograd(), d, 1);
  }
}

TEST_CASE("winograd declines what it cannot do, or not well") {
  const Conv2dDims d = square_conv2d(8, 64, 64, 16, 16, 3, 1);
  CHECK(refuses(d, [](Conv2dDims& o) { o.stride_w = 2; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.pad_h = 0; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.k_w = 1; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.dilation_h = 2; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.groups = 32; }));  // 2 channels a group
  CHECK(refuses(d, [](Conv2dDims& o) { o.groups = 2, o.c_out = 12; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.c_in = 3; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.c_out = 10; }));
  CHECK(refuses(d, [](Conv2dDims& o) { o.h_in = 1; }));                    // mostly padding
  CHECK(refuses(d, [](Conv2dDims& o) { o.n = 1, o.h_in = o.w_in = 4; }));  // a single tile
}
