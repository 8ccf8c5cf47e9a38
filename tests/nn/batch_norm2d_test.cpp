#include "nn/batch_norm2d.h"

#include <doctest/doctest.h>

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

Tensor buffer(const Module& norm, std::size_t i) {
  return norm.named_buffers()[i].tensor;
}

// Channel 0: 1, 2, 3, 6 (mean 3, biased variance 3.5, unbiased 14/3); channel 1: 0, 0, 4, 4.
const Tensor kX = tensor_of({1, 2, 0, 0, 3, 6, 4, 4}, {2, 2, 1, 2}, DType::float32);

}  // namespace

TEST_CASE("it starts as weight 1, bias 0, mean 0, variance 1, no batches") {
  const BatchNorm2d norm(2);
  CHECK(all_close(norm.weight(), {1, 1}));
  CHECK(all_close(norm.named_parameters()[1].tensor, {0, 0}));
  CHECK(all_close(buffer(norm, 0), {0, 0}));
  CHECK(all_close(buffer(norm, 1), {1, 1}));
  CHECK(buffer(norm, 2).item() == 0);
  CHECK(buffer(norm, 2).dtype() == DType::int64);
}

TEST_CASE("training moves the running statistics by momentum, variance unbiased") {
  BatchNorm2d norm(2);
  norm(kX);
  CHECK(all_close(buffer(norm, 0), {0.3, 0.2}, 1e-6));
  CHECK(all_close(buffer(norm, 1), {0.9 + 1.4 / 3, 0.9 + 1.6 / 3}, 1e-6));
  CHECK(buffer(norm, 2).item() == 1);
  norm(kX);
  CHECK(all_close(buffer(norm, 0), {0.57, 0.38}, 1e-6));
  CHECK(buffer(norm, 2).item() == 2);
}

TEST_CASE("training normalises with the batch, whatever the running statistics") {
  BatchNorm2d norm(2, {.eps = 0.5});
  const Tensor first = norm(kX);
  const double s = 1 / std::sqrt(3.5 + 0.5), t = 2 / std::sqrt(4 + 0.5);
  CHECK(all_close(first, {-2 * s, -s, -t, -t, 0, 3 * s, t, t}, 1e-6));
  CHECK(all_close(norm(kX), first));
}

TEST_CASE("evaluation normalises with the running statistics and leaves them alone") {
  BatchNorm2d norm(2, {.eps = 0, .momentum = 1});
  norm(kX);
  norm.eval();
  const Tensor y = norm(tensor_of({3, 2}, {1, 2, 1, 1}, DType::float32));
  CHECK(all_close(y, {0, 0}, 1e-6));
  CHECK(all_close(norm(tensor_of({3 + std::sqrt(14.0 / 3), 2}, {1, 2, 1, 1}, DType::float32)),
                  {1, 0}, 1e-6));
  CHECK(all_close(buffer(norm, 0), {3, 2}, 1e-6));
  CHECK(all_close(buffer(norm, 1), {14.0 / 3, 16.0 / 3}, 1e-6));
  CHECK(buffer(norm, 2).item() == 1);
}

TEST_CASE("the momentum is the weight of the new batch") {
  BatchNorm2d norm(2, {.momentum = 0.25});
  norm(kX);
  CHECK(all_close(buffer(norm, 0), {0.75, 0.5}, 1e-6));
}

TEST_CASE("a batch of one value per channel is an error in training and changes nothing") {
  BatchNorm2d norm(2);
  const Tensor one = Tensor::ones({1, 2, 1, 1});
  CHECK_THROWS_AS(norm(one), ShapeError);
  CHECK(all_close(buffer(norm, 0), {0, 0}));
  CHECK(buffer(norm, 2).item() == 0);
  norm.eval();
  CHECK(norm(one).shape() == Shape{1, 2, 1, 1});
}

TEST_CASE("channels below 1 and an input of other channels are rejected") {
  CHECK_THROWS_WITH_AS(BatchNorm2d(0), "BatchNorm2d: channels: expected at least 1, got 0",
                       ValueError);
  BatchNorm2d norm(2);
  CHECK_THROWS_AS(norm(Tensor::ones({2, 3, 2, 2})), ShapeError);
}
