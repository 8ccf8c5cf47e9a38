// What residual blocks reject, with the values that decide.
#include <doctest/doctest.h>

#include "models/blocks.h"

using namespace resgrad;

namespace {

template <class Block>
std::string error_of(std::int64_t c_in, std::int64_t c_out,
                     const typename Block::Options& options) {
  try {
    Block(c_in, c_out, options);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("options below 1 are rejected with all values") {
  const std::string expected =
      "expected channels, stride, groups and bottleneck_ratio of at least 1, got ";
  CHECK(error_of<ResNetBlock>(0, 8, {}) ==
        "ResNetBlock: options: " + expected +
            "c_in=0, c_out=8, stride=1, groups=1, bottleneck_ratio=4, mid_channels=0");
  CHECK(error_of<ResNeXtBlock>(4, -8, {.stride = 2, .groups = 3}) ==
        "ResNeXtBlock: options: " + expected +
            "c_in=4, c_out=-8, stride=2, groups=3, bottleneck_ratio=4, mid_channels=0");
  for (const ResNetBlock::Options& options : std::vector<ResNetBlock::Options>{
           {.stride = 0}, {.groups = 0}, {.bottleneck_ratio = 0}, {.mid_channels = -1}}) {
    CHECK(error_of<ResNetBlock>(4, 8, options).starts_with("ResNetBlock: options: " + expected));
  }
}

TEST_CASE("activated shortcuts need pre-activation") {
  CHECK(error_of<ResNetBlock>(4, 8, {.activated_shortcut = true}) ==
        "ResNetBlock: activated_shortcut: expected activation=pre with it, got post");
}

TEST_CASE("groups need the bottleneck form") {
  CHECK(error_of<ResNeXtBlock>(4, 8, {.groups = 2, .bottleneck_ratio = 1}) ==
        "ResNeXtBlock: groups: expected 1 for the basic form (bottleneck_ratio=1), got 2; give "
        "mid_channels for a grouped block of full width");
  CHECK(error_of<ResNeXtBlock>(4, 8, {.groups = 2, .bottleneck_ratio = 1, .mid_channels = 8}) ==
        "no error");
}

TEST_CASE("the ratio divides the output channels, groups the middle ones") {
  CHECK(error_of<ResNetBlock>(4, 10, {.bottleneck_ratio = 4}) ==
        "ResNetBlock: bottleneck_ratio: expected a divisor of c_out=10, got 4");
  CHECK(error_of<ResNetBlock>(4, 2, {.bottleneck_ratio = 4}) ==
        "ResNetBlock: bottleneck_ratio: expected a divisor of c_out=2, got 4");
  CHECK(error_of<ResNeXtBlock>(4, 24, {.groups = 4}) ==
        "ResNeXtBlock: groups: expected a divisor of the middle channels 6, got 4");
  CHECK(error_of<ResNetBlock>(4, 10, {.groups = 3, .mid_channels = 7}) ==
        "ResNetBlock: groups: expected a divisor of the middle channels 7, got 3");
}

TEST_CASE("ZeroPadShortcut cannot drop channels") {
  CHECK_THROWS_WITH_AS(ZeroPadShortcut(8, 4, 2),
                       "ZeroPadShortcut: options: expected 1 <= c_in <= c_out and stride >= 1, got "
                       "c_in=8, c_out=4, stride=2",
                       ValueError);
  CHECK_THROWS_AS(ZeroPadShortcut(0, 4, 1), ValueError);
  CHECK_THROWS_AS(ZeroPadShortcut(4, 4, 0), ValueError);
}

TEST_CASE("a downsample of the wrong shape is reported with both shapes") {
  ResNetBlock block(4, 4, {.downsample = std::make_shared<ZeroPadShortcut>(4, 6, 1)});
  try {
    block(Tensor::ones({2, 4, 3, 3}));
    FAIL("no error");
  } catch (const ShapeError& error) {
    const std::string text = error.what();
    CAPTURE(text);
    CHECK(text.find("[2, 4, 3, 3]") != std::string::npos);
    CHECK(text.find("[2, 6, 3, 3]") != std::string::npos);
  }
}
