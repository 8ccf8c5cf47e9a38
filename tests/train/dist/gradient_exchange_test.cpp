#include "train/dist/gradient_exchange.h"

#include <doctest/doctest.h>

#include "core/random.h"
#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

namespace {

Tensor drawn(Shape shape, std::uint64_t key, DType dtype = DType::float32,
             MemoryFormat format = MemoryFormat::contiguous) {
  Random random(3, Purpose::test, 0, key);
  return Tensor::randn(std::move(shape), random, dtype, format);
}

ShardSum<Tensor> block(int rank, Tensor value) {
  ShardSum<Tensor> sum;
  sum.take({rank, rank + 1}, std::move(value), [](Tensor&, const Tensor&) {});
  return sum;
}

}  // namespace

TEST_CASE(
    "gradients of several buckets, types and formats come as sums, those not given not at all") {
  constexpr std::int64_t kLarge = 3 << 20;  // above a bucket
  ThreadRanks::run(2, [](Communicator& ranks) {
    std::vector<Tensor> parameters{
        Tensor::zeros({3}),
        Tensor::zeros({kLarge}),
        Tensor::zeros({5}, DType::float64),
        Tensor::zeros({2, 3, 2, 2}, DType::float32, MemoryFormat::channels_last),
        Tensor::zeros({1}),
        Tensor::zeros({17})};
    for (Tensor& p : parameters) p.set_requires_grad();
    GradientExchange exchange(ranks, 2, parameters, 2);
    for (std::uint64_t update = 0; update < 3; ++update) {
      const auto gradient = [&](std::size_t i, int rank) {
        const Tensor& p = parameters[i];
        return drawn(p.shape(), 100 * update + 10 * i + static_cast<std::uint64_t>(rank), p.dtype(),
                     p.memory_format());
      };
      for (Tensor& p : parameters) p.zero_grad();
      // in an order that is not that of the buckets, and the fifth never
      for (const std::size_t i : {0U, 5U, 3U, 1U, 2U}) {
        auto own = block(ranks.rank(), gradient(i, ranks.rank()));
        exchange.put(i, own);
        CHECK(own.empty());
      }
      auto numbers = block(ranks.rank(), Tensor::from<double>({1, 10.0 * ranks.rank()}, {2}));
      CHECK(exchange.finish(numbers).to_vector<double>() == std::vector<double>{2, 10});
      CHECK_FALSE(parameters[4].grad().defined());
      for (const std::size_t i : {0U, 1U, 2U, 3U, 5U}) {
        const auto a = gradient(i, 0).to_vector<double>(), b = gradient(i, 1).to_vector<double>();
        const auto sum = parameters[i].grad().to_vector<double>();
        CHECK(parameters[i].grad().memory_format() == parameters[i].memory_format());
        std::size_t wrong = 0;
        for (std::size_t k = 0; k < sum.size(); ++k) {
          const double want = parameters[i].dtype() == DType::float64
                                  ? a[k] + b[k]
                                  : static_cast<float>(a[k]) + static_cast<float>(b[k]);
          wrong += sum[k] != want;
        }
        CAPTURE(i);
        CHECK(wrong == 0);
      }
    }
  });
}
