#include "train/inference.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {

namespace {

using Places = std::vector<std::int64_t>;

// y[.., i, j] = x[.., rows[i], columns[j]]
Tensor rearranged(const Tensor& x, const Places& rows, const Places& columns) {
  Tensor y = Tensor::empty_like(x);
  const std::int64_t width = x.dim(3), plane = x.dim(2) * width;
  const std::int64_t pixel = x.memory_format() == MemoryFormat::channels_last ? x.dim(1) : 1;
  const std::int64_t planes = x.numel() == 0 ? 0 : x.numel() / (plane * pixel);
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for (std::int64_t p = 0; p < planes; ++p, from += plane * pixel) {
    for (const std::int64_t row : rows) {
      for (const std::int64_t column : columns) {
        to = std::copy_n(from + (row * width + column) * pixel, pixel, to);
      }
    }
  }
  return y;
}

Places counted(std::int64_t size) {
  Places places(static_cast<std::size_t>(size));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  return places;
}

// For each of `size` places the one that gets there when all move by `by`, and reflected ones fill.
Places moved_places(std::int64_t size, std::int64_t by) {
  require<ValueError>(std::abs(by) < size, "moved: expected by less than {} pixels, got {}", size,
                      by);
  Places places = counted(size);
  for (std::int64_t& place : places) {
    place = std::abs(place - by);
    place = std::min(place, 2 * (size - 1) - place);
  }
  return places;
}

template <class Net>
Tensor mean_of_sides(Net& net, const Tensor& images) {
  return (net(images) + net(mirrored(images))) * 0.5;
}

template <class Net>
Tensor logits_of(Net& net, const Tensor& images, Tta tta) {
  switch (tta) {
    case Tta::none:
      return net(images);
    case Tta::flip:
      return mean_of_sides(net, images);
    case Tta::multicrop:
      break;
  }
  const Tensor centre = mean_of_sides(net, images);
  const Tensor corners =
      mean_of_sides(net, moved(images, 1, 1)) + mean_of_sides(net, moved(images, -1, -1));
  return centre * 0.5 + corners * 0.25;
}

}  // namespace

Tensor mirrored(const Tensor& x) {
  require_rank("mirrored", "x", x, 4);
  Places columns = counted(x.dim(3));
  std::ranges::reverse(columns);
  return rearranged(x, counted(x.dim(2)), columns);
}

Tensor moved(const Tensor& x, std::int64_t dy, std::int64_t dx) {
  require_rank("moved", "x", x, 4);
  return rearranged(x, moved_places(x.dim(2), dy), moved_places(x.dim(3), dx));
}

Tensor infer(Module& net, const Tensor& images, Tta tta) {
  return logits_of(net, images, tta);
}

Tensor infer(InferenceNet& net, const Tensor& images, Tta tta) {
  return logits_of(net, images, tta);
}

std::vector<Ranked> largest(const std::vector<double>& values, std::int64_t k) {
  std::vector<Ranked> ranked;
  for (const double value : values) ranked.push_back({std::ssize(ranked), value});
  std::ranges::stable_sort(ranked, std::greater(), &Ranked::value);
  ranked.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, std::ssize(values))));
  return ranked;
}

}  // namespace resgrad
