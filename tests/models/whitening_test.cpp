#include "models/whitening.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/ops/arithmetic.h"
#include "core/ops/conv2d.h"
#include "core/ops/shaping.h"
#include "models/models.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

/// Images whose neighbouring pixels and channels are alike, as those of photographs.
Tensor smooth_images(std::int64_t n) {
  const Tensor noise = random_tensor({n, 3, 14, 14}, 1);
  const Tensor blur = Tensor::full({4, 3, 3, 3}, 0.2, DType::float64);
  const Tensor blurred = conv2d(noise, blur, Tensor(), {});
  return (slice(blurred, 1, 0, 3) + random_tensor({n, 3, 12, 12}, 2) * 0.3 + 0.5).detach();
}

/// The covariance of the channels of y over all its positions.
std::vector<double> channel_covariance(const Tensor& y) {
  const std::int64_t c = y.dim(1);
  std::vector<std::vector<double>> channels;
  for (std::int64_t i = 0; i < c; ++i)
    channels.push_back(slice(y, 1, i, i + 1).to_vector<double>());
  std::vector<double> covariance;
  const auto n = static_cast<double>(channels[0].size());
  for (const auto& a : channels)
    for (const auto& b : channels) {
      double sum_a = 0, sum_b = 0, products = 0;
      for (std::size_t k = 0; k < a.size(); ++k) {
        sum_a += a[k], sum_b += b[k], products += a[k] * b[k];
      }
      covariance.push_back(products / n - sum_a / n * sum_b / n);
    }
  return covariance;
}

}  // namespace

TEST_CASE("whitened patches have the identity as their covariance") {
  const Tensor images = smooth_images(20);
  const double eps = 1e-9;
  const Tensor filters = whitening_filters(images, 54, eps);
  CHECK(filters.shape() == Shape{54, 3, 3, 3});
  CHECK(filters.dtype() == DType::float32);
  const Tensor y = conv2d(images, filters.to(DType::float64), Tensor(), {});
  const std::vector<double> covariance = channel_covariance(y);
  for (std::size_t i = 0; i < 54; ++i)
    for (std::size_t j = 0; j < 54; ++j) {
      // the second half are the negatives of the first
      const double want = i == j ? 1 : (i % 27 == j % 27 ? -1 : 0);
      CHECK(std::abs(covariance[i * 54 + j] - want) < 1e-4);
    }
}

TEST_CASE("the leading directions come first, and eps bounds the scale of those that hardly vary") {
  const Tensor images = smooth_images(20);
  const double eps = 0.5;
  const Tensor narrow = whitening_filters(images, 8, eps),
               wide = whitening_filters(images, 54, eps);
  CHECK(bit_equal(slice(narrow, 0, 0, 4), slice(wide, 0, 0, 4)));
  CHECK(all_close(slice(narrow, 0, 4, 8), slice(wide, 0, 0, 4) * -1.0));
  const std::vector<double> covariance =
      channel_covariance(conv2d(images, wide.to(DType::float64), Tensor(), {}));
  double previous = 1;
  for (std::size_t i = 0; i < 27; ++i) {
    // variance l / (l + eps) of a filter of length 1 / sqrt(l + eps)
    double squares = 0;
    const Tensor filter =
        slice(wide, 0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
    for (double w : filter.to_vector<double>()) squares += w * w;
    const double variance = covariance[i * 54 + i];
    CHECK(variance == doctest::Approx((1 / squares - eps) * squares).epsilon(1e-4));
    CHECK(variance <= previous);
    previous = variance;
  }
}

TEST_CASE("more pairs than directions begin again, and memory formats agree") {
  const Tensor images = random_tensor({4, 1, 6, 6}, 1);
  const Tensor filters = whitening_filters(images, 22, 0.01);
  CHECK(bit_equal(slice(filters, 0, 9, 11), slice(filters, 0, 0, 2)));
  const Tensor colour = smooth_images(3);
  CHECK(bit_equal(whitening_filters(colour.detach(MemoryFormat::channels_last), 6),
                  whitening_filters(colour, 6)));
}

TEST_CASE("images, filters and eps out of range are rejected") {
  const Tensor images = smooth_images(2);
  CHECK_THROWS_WITH_AS(whitening_filters(images, 7),
                       "whitening_filters: filters: expected an even number of at least 2, got 7",
                       ValueError);
  CHECK_THROWS_AS(whitening_filters(images, 0), ValueError);
  CHECK_THROWS_AS(whitening_filters(images, 8, 0), ValueError);
  CHECK_THROWS_AS(whitening_filters(Tensor::ones({2, 3, 2, 5}), 8), ShapeError);
  CHECK_THROWS_AS(whitening_filters(Tensor::full({1, 1, 3, 4}, NAN), 8), ValueError);
}

TEST_CASE("whiten_stem fills the frozen stem of any network with a CIFAR stem") {
  const Tensor images = smooth_images(5).to(DType::float32);
  for (const char* model : {"fastresnet8", "resnet20", "preact_resnet20", "resnet18"}) {
    CAPTURE(model);
    const auto net = models::make(model, {.fields = {{"whiten_stem", "on"}}});
    const Tensor weight = net->first_conv().weight(), bias = net->first_conv().bias();
    CHECK_FALSE(weight.requires_grad());
    CHECK(bias.requires_grad());
    CHECK(all_close(bias, Tensor::zeros(bias.shape())));
    whiten_stem(*net, images);
    CHECK(all_close(weight, whitening_filters(images, weight.dim(0))));
    (*net)(random_tensor({2, 3, 16, 16}, 1, DType::float32, MemoryFormat::channels_last))
        .sum()
        .backward();
    CHECK_FALSE(weight.grad().defined());
    CHECK(bias.grad().defined());
  }
  const auto frozen = models::make("resnet20");  // which does not make it a stem that whitens
  for (const NamedTensor& p : frozen->named_parameters()) Tensor(p.tensor).set_requires_grad(false);
  CHECK_THROWS_AS(whiten_stem(*frozen, images), StateError);
  const auto trained = models::make("resnet20");
  CHECK_THROWS_WITH_AS(whiten_stem(*trained, images),
                       "whiten_stem: expected a network with whiten_stem=on, got one whose stem is "
                       "trained",
                       StateError);
}
