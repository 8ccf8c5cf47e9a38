#include "data/policy.h"

#include <cmath>

namespace resgrad::data {
namespace {

constexpr int kRandMagnitude = 9;

struct Range {
  float low = 0, high = 0;
};

Range range_of(Policy policy, ImageOp op, int height, int width) {
  const bool trivial = policy == Policy::trivial;
  constexpr double kShift = 150.0 / 331;
  switch (op) {
    case ImageOp::shear_x:
    case ImageOp::shear_y:
      return {0, trivial ? 0.99f : 0.3f};
    case ImageOp::translate_x:
      return {0, trivial ? 32 : static_cast<float>(kShift * width)};
    case ImageOp::translate_y:
      return {0, trivial ? 32 : static_cast<float>(kShift * height)};
    case ImageOp::rotate:
      return {0, trivial ? 135.0f : 30.0f};
    case ImageOp::brightness:
    case ImageOp::color:
    case ImageOp::contrast:
    case ImageOp::sharpness:
      return {0, trivial ? 0.99f : 0.9f};
    case ImageOp::posterize:
      return {8, trivial ? 2.0f : 4.0f};
    case ImageOp::solarize:
      return {255, 0};
    case ImageOp::identity:
    case ImageOp::auto_contrast:
    case ImageOp::equalize:
      return {};
  }
  return {};
}

}  // namespace

bool is_signed(ImageOp op) {
  return op >= ImageOp::shear_x && op <= ImageOp::sharpness;
}

double magnitude(Policy policy, ImageOp op, int bin, int height, int width) {
  const Range range = range_of(policy, op, height, width);
  const double low = range.low, high = range.high;
  // the change is what is rounded: 8 less the even one
  if (op == ImageOp::posterize) {
    return low - std::nearbyint((low - high) * bin / (kMagnitudes - 1));
  }
  return static_cast<float>(low + (high - low) * bin / (kMagnitudes - 1));
}

ImageSteps draw_steps(Policy policy, int height, int width, Random& random) {
  ImageSteps steps;
  const int count = policy == Policy::plain ? 0 : policy == Policy::trivial ? 1 : 2;
  for (int i = 0; i < count; ++i) {
    const auto op = kImageOpNames[random.below(std::size(kImageOpNames))].value;
    const int bin = policy == Policy::trivial
                        ? static_cast<int>(random.below(static_cast<std::uint32_t>(kMagnitudes)))
                        : kRandMagnitude;
    const double sign = is_signed(op) && random.below(2) == 1 ? -1 : 1;
    steps[static_cast<std::size_t>(i)] = {op, sign * magnitude(policy, op, bin, height, width)};
  }
  return steps;
}

}  // namespace resgrad::data
