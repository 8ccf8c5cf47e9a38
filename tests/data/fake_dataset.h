#pragma once

#include "core/random.h"
#include "data/dataset.h"

namespace resgrad::data {

/// Random pixels with labels 0, 1, ..., 9, 0, ...
inline Dataset fake_dataset(std::int64_t n, int height = 32, int width = 32) {
  Dataset d{.name = "fake",
            .images = {},
            .labels = {},
            .height = height,
            .width = width,
            .class_names = std::vector<std::string>(10, "class")};
  Random random(7, Purpose::test);
  for (std::int64_t i = 0; i < n; ++i) {
    d.labels.push_back(static_cast<std::uint8_t>(i % 10));
    for (std::int64_t b = 0; b < d.image_bytes(); ++b) {
      d.images.push_back(static_cast<std::uint8_t>(random.below(256)));
    }
  }
  return d;
}

}  // namespace resgrad::data
