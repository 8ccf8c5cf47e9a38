#include "core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "core/check.h"

namespace resgrad {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  const auto y =
      kernels::philox4x32({counter[0], counter[1], counter[2], counter[3]}, {key[0], key[1]});
  return {y.x0, y.x1, y.x2, y.x3};
}

// Of the first word of the counter, the bits of the block.
constexpr std::uint32_t kLastBlock = 0x0FFFFFFF;

// The counter holds (purpose in 4 bits, block in 28; epoch; sample), the key holds the seed. A
// sequence thus has 2^30 words: enough for 2^29 normals, far more than the largest weight.
Random::Random(std::uint64_t seed, Purpose purpose, std::uint32_t epoch, std::uint64_t sample)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      counter_{static_cast<std::uint32_t>(purpose) << 28, epoch, static_cast<std::uint32_t>(sample),
               static_cast<std::uint32_t>(sample >> 32)} {}

void Random::seek(std::uint32_t block) {
  require<ValueError>(block <= kLastBlock, "Random: expected a block of at most {}, got {}",
                      kLastBlock, block);
  counter_[0] = (counter_[0] & ~kLastBlock) | block;
  used_ = 4;
  has_spare_ = false;
}

// More would go on in the sequence of another purpose.
void Random::require_left(std::int64_t blocks) const {
  const std::uint32_t left = kLastBlock - (counter_[0] & kLastBlock);
  require<ValueError>(
      0 <= blocks && blocks <= left,
      "Random: expected at most {} blocks, as many as the sequence has left, got {}", left, blocks);
}

Random::Blocks Random::pass(std::int64_t blocks) {
  require_left(blocks);
  const Blocks passed{{counter_[0], counter_[1], counter_[2], counter_[3]}, {key_[0], key_[1]}};
  counter_[0] += static_cast<std::uint32_t>(blocks);
  used_ = 4;
  has_spare_ = false;
  return passed;
}

std::uint32_t Random::next_u32() {
  if (used_ == 4) {
    require_left(1);
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

double Random::uniform() {
  const std::uint32_t first = next_u32(), second = next_u32();
  return static_cast<double>(kernels::uniform53(first, second)) * 0x1p-53;
}

double Random::normal() {
  if (std::exchange(has_spare_, false)) return spare_normal_;
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

// The logarithm, since variates of a small shape are too small for a double.
double Random::log_gamma_variate(double shape) {
  double log_boost = 0;
  if (shape < 1) {  // gamma(a) = gamma(a + 1) * U^(1 / a)
    log_boost = std::log(1 - uniform()) / shape;
    shape += 1;
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(), v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - uniform()) < x * x / 2 + d - d * v + d * std::log(v)) {
      return std::log(d * v) + log_boost;
    }
  }
}

double Random::beta(double a, double b) {
  const double x = log_gamma_variate(a), y = log_gamma_variate(b);
  return 1 / (1 + std::exp(y - x));
}

std::uint32_t Random::below(std::uint32_t n) {
  std::uint64_t m = std::uint64_t{next_u32()} * n;
  if (static_cast<std::uint32_t>(m) < n) {
    const std::uint32_t threshold = (0u - n) % n;
    while (static_cast<std::uint32_t>(m) < threshold) m = std::uint64_t{next_u32()} * n;
  }
  return static_cast<std::uint32_t>(m >> 32);
}

std::vector<std::int64_t> Random::permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[below(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

}  // namespace resgrad
