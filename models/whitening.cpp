#include "models/whitening.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/ops/require.h"
#include "models/symmetric_eigen.h"

namespace resgrad {
namespace {

constexpr std::int64_t kSide = 3;

// The covariance [d, d] of all patches inside the images, in the order of a filter's weights.
std::vector<double> patch_covariance(const Tensor& images) {
  const std::int64_t channels = images.dim(1), height = images.dim(2), width = images.dim(3);
  const auto d = static_cast<std::size_t>(channels * kSide * kSide);
  const std::vector<std::int64_t> stride = images.strides();
  std::vector<double> sum(d), products(d * d), patch(d);
  visit_floating(images.dtype(), "whitening_filters", [&]<class T>() {
    const auto* const values = images.data<T>();
    const auto add_patch = [&](std::int64_t corner) {
      std::size_t k = 0;
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = 0; i < kSide; ++i)
          for (std::int64_t j = 0; j < kSide; ++j) {
            patch[k++] = values[corner + c * stride[1] + i * stride[2] + j * stride[3]];
          }
      for (std::size_t a = 0; a < d; ++a) {
        sum[a] += patch[a];
        for (std::size_t b = 0; b <= a; ++b) products[a * d + b] += patch[a] * patch[b];
      }
    };
    for (std::int64_t n = 0; n < images.dim(0); ++n)
      for (std::int64_t h = 0; h + kSide <= height; ++h)
        for (std::int64_t w = 0; w + kSide <= width; ++w) {
          add_patch(n * stride[0] + h * stride[2] + w * stride[3]);
        }
  });
  const auto count =
      static_cast<double>(images.dim(0) * (height - kSide + 1) * (width - kSide + 1));
  std::vector<double> covariance(d * d);
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      covariance[a * d + b] = covariance[b * d + a] =
          products[a * d + b] / count - (sum[a] / count) * (sum[b] / count);
    }
  return covariance;
}

}  // namespace

Tensor whitening_filters(const Tensor& images, std::int64_t filters, double eps) {
  require_rank("whitening_filters", "images", images, 4);
  require_floating("whitening_filters", "images", images);
  require<ShapeError>(
      images.dim(0) >= 1 && images.dim(1) >= 1 && images.dim(2) >= kSide && images.dim(3) >= kSide,
      "whitening_filters: images: expected at least one of 3x3 pixels, got {}", images.shape());
  require<ValueError>(filters >= 2 && filters % 2 == 0,
                      "whitening_filters: filters: expected an even number of at least 2, got {}",
                      filters);
  require<ValueError>(std::isfinite(eps) && eps > 0,
                      "whitening_filters: eps: expected a finite number above 0, got {}", eps);
  const auto d = static_cast<std::size_t>(images.dim(1) * kSide * kSide);
  const SymmetricEigen eigen = symmetric_eigen(patch_covariance(images), d);
  const auto pairs = static_cast<std::size_t>(filters) / 2;
  std::vector<float> weights(2 * pairs * d);
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t source = i % d;
    const double scale = 1 / std::sqrt(std::max(eigen.values[source], 0.0) + eps);
    for (std::size_t k = 0; k < d; ++k) {
      const auto weight = static_cast<float>(scale * eigen.vectors[source * d + k]);
      weights[i * d + k] = weight;
      weights[(pairs + i) * d + k] = -weight;
    }
  }
  return Tensor::from(weights, {filters, images.dim(1), kSide, kSide});
}

void whiten_stem(ResNet& net, const Tensor& images, double eps) {
  Tensor weight = net.first_conv().weight().detach();
  // other stems have a norm in place of the bias
  require<StateError>(net.first_conv().bias().defined() && weight.dim(2) == kSide,
                      "whiten_stem: expected a network with whiten_stem=on, got one whose stem is "
                      "trained");
  weight.copy_(whitening_filters(images, weight.dim(0), eps).to(weight.dtype()));
}

}  // namespace resgrad
