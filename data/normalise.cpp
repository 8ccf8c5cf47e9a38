#include "data/normalise.h"

#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/parallel.h"
#include "core/text.h"

namespace resgrad::data {
namespace {

// "1,2.5" as its finite numbers; nothing when a part is no number.
std::vector<double> numbers(std::string_view text) {
  std::vector<double> values;
  for (const std::string_view part : resgrad::split(text, ',')) {
    const auto value = number_in<double>(part);
    if (!value || !std::isfinite(*value)) return {};
    values.push_back(*value);
  }
  return values;
}

}  // namespace

Normalisation normalisation(std::string_view text) {
  if (text == "cifar10") return {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  if (text == "cifar100") return {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}};
  if (text == "synthetic") return {{0.4988, 0.5004, 0.5006}, {0.2483, 0.2479, 0.2475}};
  if (text == "imagenet") return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  const std::vector<double> v = numbers(text);
  require<ValueError>(v.size() == 6 && v[3] > 0 && v[4] > 0 && v[5] > 0,
                      "normalisation: expected one of cifar10, cifar100, synthetic, imagenet, or "
                      "three means and three positive deviations with commas, got {}",
                      text);
  return {{v[0], v[1], v[2]}, {v[3], v[4], v[5]}};
}

std::string to_setting(const Normalisation& n) {
  return fmt::format("{},{},{},{},{},{}", n.mean[0], n.mean[1], n.mean[2], n.std[0], n.std[1],
                     n.std[2]);
}

Normalisation measure_normalisation(const Dataset& dataset) {
  require<ValueError>(dataset.size() > 0,
                      "measure_normalisation: dataset: expected at least one image, got none");
  const std::int64_t plane = std::int64_t{dataset.height} * dataset.width;
  Normalisation result;
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint64_t sum = 0, squares = 0;  // exact: at most 2^16 per pixel
#pragma omp parallel for schedule(static) num_threads(num_threads()) reduction(+ : sum, squares)
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      const std::uint8_t* pixels = dataset.image(i) + static_cast<std::int64_t>(c) * plane;
      for (std::int64_t p = 0; p < plane; ++p) {
        sum += pixels[p];
        squares += std::uint64_t{pixels[p]} * pixels[p];
      }
    }
    const double n = static_cast<double>(dataset.size() * plane);
    const double mean = static_cast<double>(sum) / n;
    result.mean[c] = mean / 255;
    result.std[c] = std::sqrt(static_cast<double>(squares) / n - mean * mean) / 255;
  }
  return result;
}

}  // namespace resgrad::data
