#include "train/dist/norm_sync.h"

#include <cstring>
#include <vector>

#include "train/dist/shards.h"

namespace resgrad {

void NormSync::sum(std::span<double> values) {
  const std::string own(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  ShardSum<std::vector<double>> tree;
  const auto add = [](std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  };
  std::int64_t rank = 0;
  for (const std::string& text : ranks_.all(own)) {
    std::vector<double> of_rank(values.size());
    std::memcpy(of_rank.data(), text.data(), values.size_bytes());
    tree.take({rank, rank + 1}, std::move(of_rank), add);
    ++rank;
  }
  const std::vector<double> total = tree.total(add);
  std::memcpy(values.data(), total.data(), values.size_bytes());
}

}  // namespace resgrad
