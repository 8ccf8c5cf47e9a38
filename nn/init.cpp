#include "nn/init.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/random.h"

namespace resgrad::init {
namespace {

struct State {
  std::uint64_t seed = 0, count = 0;
  bool skip = false;
};

thread_local State state;

// Fills the weight in memory order with draw(random).
template <class Draw>
void fill(Tensor& weight, Draw&& draw) {
  Random random(state.seed, Purpose::init, 0, state.count++);
  if (state.skip) return;
  weight.detach().bump_version();
  visit_floating(weight.dtype(), "init", [&](auto tag) {
    using T = decltype(tag);
    std::generate_n(weight.data<T>(), weight.numel(), [&] { return static_cast<T>(draw(random)); });
  });
}

std::int64_t receptive_field(const Tensor& weight) {
  require<ShapeError>(weight.rank() >= 2, "init: weight: expected rank 2 or more, got {}",
                      weight.shape());
  return weight.numel() / std::max<std::int64_t>(1, weight.dim(0) * weight.dim(1));
}

double he_std(std::int64_t fan) {
  return std::sqrt(2.0 / static_cast<double>(fan));
}
double he_bound(std::int64_t fan) {
  return std::sqrt(6.0 / static_cast<double>(fan));
}

}  // namespace

InitScope::InitScope(std::uint64_t seed, bool skip)
    : seed_(std::exchange(state.seed, seed)),
      count_(std::exchange(state.count, 0)),
      skip_(std::exchange(state.skip, skip)) {}

InitScope::~InitScope() {
  state = {seed_, count_, skip_};
}

std::int64_t fan_in(const Tensor& weight) {
  const std::int64_t field = receptive_field(weight);  // first: it checks the rank
  return weight.dim(1) * field;
}
std::int64_t fan_out(const Tensor& weight) {
  return weight.dim(0) * receptive_field(weight);
}

void normal_(Tensor weight, double std) {
  fill(weight, [std](Random& random) { return std * random.normal(); });
}

void uniform_(Tensor weight, double bound) {
  fill(weight, [bound](Random& random) { return random.uniform(-bound, bound); });
}

void he_normal_fan_in_(Tensor weight) {
  normal_(weight, he_std(fan_in(weight)));
}
void he_normal_fan_out_(Tensor weight) {
  normal_(weight, he_std(fan_out(weight)));
}
void he_uniform_fan_in_(Tensor weight) {
  uniform_(weight, he_bound(fan_in(weight)));
}
void he_uniform_fan_out_(Tensor weight) {
  uniform_(weight, he_bound(fan_out(weight)));
}

}  // namespace resgrad::init
