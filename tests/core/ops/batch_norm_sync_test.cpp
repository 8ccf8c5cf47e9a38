#include "core/ops/batch_norm_sync.h"

#include <doctest/doctest.h>

#include <array>
#include <barrier>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"
#include "core/random.h"

using namespace resgrad;

namespace {

constexpr std::int64_t kImages = 6, kChannels = 16, kSide = 5;

// Two threads that add up what they have.
class Pair {
 public:
  class Half final : public BatchNormSync {
   public:
    Half(Pair& pair, std::size_t index) : pair_(pair), index_(index) {}
    void sum(std::span<double> values) override {
      pair_.values_[index_].assign(values.begin(), values.end());
      pair_.together_.arrive_and_wait();
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = pair_.values_[0][i] + pair_.values_[1][i];
      }
      pair_.together_.arrive_and_wait();
    }

   private:
    Pair& pair_;
    std::size_t index_;
  };

 private:
  std::barrier<> together_{2};
  std::array<std::vector<double>, 2> values_;
};

struct Norm {
  Tensor weight, bias, mean = Tensor::zeros({kChannels}, DType::float64),
                       var = Tensor::ones({kChannels}, DType::float64);
};

Norm make_norm() {
  Random random(2, Purpose::test);
  Norm norm{Tensor::rand({kChannels}, random, 0.5, 1.5, DType::float64),
            Tensor::randn({kChannels}, random, DType::float64)};
  norm.weight.set_requires_grad();
  norm.bias.set_requires_grad();
  return norm;
}

using Operation = std::function<Tensor(const Tensor&, Norm&)>;

struct Outcome {
  std::vector<double> y, dx, dweight, dbias, mean, var;
};

// The operation on images [begin, end) of a batch, with a weight for each element of its result.
Outcome outcome(const Operation& f, std::int64_t begin, std::int64_t end) {
  Random random(1, Purpose::test);
  const Tensor images = Tensor::randn({kImages, kChannels, kSide, kSide}, random, DType::float64);
  const Tensor weights = Tensor::randn({kImages, kChannels, kSide, kSide}, random, DType::float64);
  Tensor x = images.narrow(begin, end).clone().to(MemoryFormat::channels_last).detach();
  x.set_requires_grad();
  Norm norm = make_norm();
  const Tensor y = f(x, norm);
  y.backward(weights.narrow(begin, end).clone().to(MemoryFormat::channels_last).detach());
  return {y.detach().to_vector<double>(),         x.grad().to_vector<double>(),
          norm.weight.grad().to_vector<double>(), norm.bias.grad().to_vector<double>(),
          norm.mean.to_vector<double>(),          norm.var.to_vector<double>()};
}

void check_near(const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(got[i] - want[i]) / std::max(1.0, std::abs(want[i])));
  }
  CHECK(worst < 1e-12);
}

std::vector<double> joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<double> added(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

}  // namespace

TEST_CASE("batch norms over two uneven parts of a batch are those of the whole, in backward too") {
  Random random(4, Purpose::test);
  const Tensor filter = Tensor::randn({kChannels, kChannels, 3, 3}, random, DType::float64);
  const std::vector<std::pair<const char*, Operation>> operations{
      {"batch_norm",
       [](const Tensor& x, Norm& n) { return batch_norm(x, n.weight, n.bias, n.mean, n.var); }},
      {"batch_norm_relu",
       [](const Tensor& x, Norm& n) {
         return batch_norm_relu(x, n.weight, n.bias, n.mean, n.var, {});
       }},
      {"batch_norm_add_relu",
       [](const Tensor& x, Norm& n) {
         return batch_norm_add_relu(x, x, n.weight, n.bias, n.mean, n.var, {});
       }},
      {"batch_norm_relu_conv2d", [&filter](const Tensor& x, Norm& n) {
         return batch_norm_relu_conv2d(x, n.weight, n.bias, n.mean, n.var, filter, Tensor(), {},
                                       {.padding = 1});
       }}};
  for (const auto& operation : operations) {
    CAPTURE(operation.first);
    const Outcome whole = outcome(operation.second, 0, kImages);
    Pair pair;
    std::array<Outcome, 2> parts;
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < 2; ++i) {
        threads.emplace_back([&, i] {
          Pair::Half half(pair, i);
          const BatchNormSyncScope scope(&half);
          CHECK(BatchNormSync::current() == &half);
          parts[i] =
              i == 0 ? outcome(operation.second, 0, 2) : outcome(operation.second, 2, kImages);
        });
      }
    }
    check_near(joined(parts[0].y, parts[1].y), whole.y);
    check_near(joined(parts[0].dx, parts[1].dx), whole.dx);
    check_near(added(parts[0].dweight, parts[1].dweight), whole.dweight);
    check_near(added(parts[0].dbias, parts[1].dbias), whole.dbias);
    for (const Outcome& part : parts) {
      check_near(part.mean, whole.mean);
      check_near(part.var, whole.var);
    }
  }
  CHECK(BatchNormSync::current() == nullptr);
}

TEST_CASE("an infinity on one side makes the channel NaN on both, as in one batch") {
  Pair pair;
  std::array<std::vector<double>, 2> y, var;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        Pair::Half half(pair, i);
        const BatchNormSyncScope scope(&half);
        Tensor x = Tensor::ones({1, kChannels, 1, 2}, DType::float64);
        if (i == 0) x.data<double>()[0] = std::numeric_limits<double>::infinity();
        Norm norm = make_norm();
        y[i] = batch_norm(x, norm.weight, norm.bias, norm.mean, norm.var, {}).to_vector<double>();
        var[i] = norm.var.to_vector<double>();
      });
    }
  }
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(std::isnan(y[i][0]));
    CHECK(std::isnan(var[i][0]));
    CHECK(std::isfinite(y[i][2]));
  }
}
