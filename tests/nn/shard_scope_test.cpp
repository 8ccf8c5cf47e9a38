#include "nn/shard_scope.h"

#include <doctest/doctest.h>

#include "nn/layers.h"

using namespace resgrad;

TEST_CASE("a shard is that of the innermost scope in this thread") {
  CHECK(ShardScope::current() == 0);
  {
    const ShardScope outer(3);
    CHECK(ShardScope::current() == 3);
    {
      const ShardScope inner(5);
      CHECK(ShardScope::current() == 5);
    }
    CHECK(ShardScope::current() == 3);
  }
  CHECK(ShardScope::current() == 0);
}

TEST_CASE("layers draw other masks for each shard, the same at the same call") {
  const auto masks_of = [](std::uint32_t shard) {
    const ShardScope scope(shard);
    Dropout dropout(0.5, 7);
    StochasticDepth depth(0.5, 7);
    auto values = dropout(Tensor::ones({64, 1})).to_vector<double>();
    const auto rows = depth(Tensor::ones({64, 1})).to_vector<double>();
    values.insert(values.end(), rows.begin(), rows.end());
    return values;
  };
  CHECK(masks_of(0) == masks_of(0));
  CHECK(masks_of(2) == masks_of(2));
  CHECK(masks_of(0) != masks_of(2));
  CHECK(masks_of(1) != masks_of(2));
}
