#include "data/mix.h"

#include <cmath>
#include <vector>

#include "core/check.h"

namespace resgrad::data {

void check_options(const MixOptions& options) {
  const auto check = [](const char* name, double value) {
    require<ValueError>(value == 0 || (value >= 0.001 && value <= 1000),
                        "mix: {}: expected 0, or 0.001 to 1000, got {}", name, value);
  };
  check("mixup", options.mixup);
  check("cutmix", options.cutmix);
}

Mix draw_mix(const MixOptions& options, int height, int width, Random& random) {
  check_options(options);
  if (!options.any()) return {};
  const bool cut = options.cutmix != 0 && (options.mixup == 0 || random.below(2) == 1);
  const double a = cut ? options.cutmix : options.mixup;
  const double share = random.beta(a, a);
  if (!cut) {
    return {.share = share,
            .box = {.bottom = height, .right = width},
            .keep = static_cast<float>(share)};
  }
  const double side = std::sqrt(1 - share);
  const auto below = [&random](int n) {
    return static_cast<int>(random.below(static_cast<std::uint32_t>(n)));
  };
  const int y = below(height), x = below(width);
  const Box box = box_around(y, x, static_cast<int>(height * side), static_cast<int>(width * side),
                             height, width);
  return {.share = 1 - static_cast<double>(box.area()) / (static_cast<double>(height) * width),
          .box = box,
          .keep = 0};
}

void mix_images(float* images, std::int64_t n, int height, int width, const Mix& mix) {
  if (n < 1) return;
  const std::ptrdiff_t row = std::ptrdiff_t{3} * width, image = row * height;
  const auto blend = [&](float* x, const float* other) {
    const float keep = mix.keep, take = 1 - keep;
    for (std::ptrdiff_t y = mix.box.top; y < mix.box.bottom; ++y) {
      float* const to = x + y * row;
      const float* const from = other + y * row;
      for (std::ptrdiff_t i = 3 * mix.box.left; i < 3 * mix.box.right; ++i) {
        to[i] = keep * to[i] + take * from[i];
      }
    }
  };
  // from the last to the first, so that each still finds the one before it as it was
  const std::vector<float> last(images + (n - 1) * image, images + n * image);
  for (std::int64_t i = n - 1; i > 0; --i) blend(images + i * image, images + (i - 1) * image);
  blend(images, last.data());
}

}  // namespace resgrad::data
