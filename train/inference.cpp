#include "train/inference.h"

#include <algorithm>

#include "core/ops/arithmetic.h"
#include "core/ops/require.h"

namespace resgrad {

Tensor mirrored(const Tensor& x) {
  require_rank("mirrored", "x", x, 4);
  Tensor y = Tensor::empty_like(x);
  const std::int64_t width = x.dim(3);
  const std::int64_t pixel = x.memory_format() == MemoryFormat::channels_last ? x.dim(1) : 1;
  const std::int64_t lines = x.numel() == 0 ? 0 : x.numel() / (width * pixel);
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for (std::int64_t line = 0; line < lines; ++line, from += width * pixel) {
    for (std::int64_t column = width; column-- > 0; to += pixel) {
      std::copy_n(from + column * pixel, pixel, to);
    }
  }
  return y;
}

Tensor infer(Module& net, const Tensor& images, Tta tta) {
  const Tensor logits = net(images);
  return tta == Tta::none ? logits : (logits + net(mirrored(images))) * 0.5;
}

std::vector<Ranked> largest(const std::vector<double>& values, std::int64_t k) {
  std::vector<Ranked> ranked;
  for (const double value : values) ranked.push_back({std::ssize(ranked), value});
  std::ranges::stable_sort(ranked, std::greater(), &Ranked::value);
  ranked.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, std::ssize(values))));
  return ranked;
}

}  // namespace resgrad
