#include "data/dataset.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/random.h"

namespace resgrad::data {

Dataset subset(const Dataset& dataset, const std::vector<std::int64_t>& indices) {
  Dataset part{.name = dataset.name,
               .images = {},
               .labels = {},
               .height = dataset.height,
               .width = dataset.width,
               .num_classes = dataset.num_classes,
               .class_names = dataset.class_names};
  part.images.reserve(indices.size() * static_cast<std::size_t>(dataset.image_bytes()));
  part.labels.reserve(indices.size());
  for (const std::int64_t i : indices) {
    require<ValueError>(i >= 0 && i < dataset.size(),
                        "subset: indices: expected values in [0, {}), got {}", dataset.size(), i);
    part.images.insert(part.images.end(), dataset.image(i),
                       dataset.image(i) + dataset.image_bytes());
    part.labels.push_back(dataset.labels[static_cast<std::size_t>(i)]);
    part.places.push_back(dataset.place(i));
    if (!dataset.files.empty()) part.files.push_back(dataset.files[static_cast<std::size_t>(i)]);
  }
  return part;
}

Dataset first(const Dataset& dataset, std::int64_t count) {
  require<ValueError>(count >= 1 && count <= dataset.size(),
                      "first: count: expected 1 to {} images, got {}", dataset.size(), count);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return subset(dataset, indices);
}

std::pair<Dataset, Dataset> split(const Dataset& dataset, std::int64_t validation,
                                  std::uint64_t seed) {
  require<ValueError>(validation > 0 && validation < dataset.size(),
                      "split: validation: expected 1 to {} of {} images, got {}",
                      dataset.size() - 1, dataset.size(), validation);
  std::vector<std::int64_t> order = Random(seed, Purpose::split).permutation(dataset.size());
  const auto middle = order.begin() + validation;
  std::sort(order.begin(), middle);
  std::sort(middle, order.end());
  return {subset(dataset, {middle, order.end()}), subset(dataset, {order.begin(), middle})};
}

}  // namespace resgrad::data
