#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/threads.h"
#include "core/random.h"

namespace resgrad::init {
namespace {

thread_local InitScope::State state;

Random next_sequence() {
  return Random(state.seed, Purpose::init, 0, state.count++);
}

// Fills the weight in memory order with draw(random), which takes half a block of the sequence.
// Threads draw parts of it: the values are those of one sequence, whoever draws them.
template <class Draw>
void fill(Tensor& weight, const Draw& draw) {
  constexpr std::int64_t kPart = 4096;  // values
  const Random sequence = next_sequence();
  if (state.skip) return;
  // before the threads, which no error may leave
  constexpr std::int64_t kMost = 2 * ((std::int64_t{1} << 28) - 1);
  require<ValueError>(weight.numel() <= kMost,
                      "init: weight: expected at most {} elements, as many as a sequence of random "
                      "numbers has, got {}",
                      kMost, weight.shape());
  weight.detach().bump_version();
  visit_floating(weight.dtype(), "init", [&]<class T>() {
    T* const values = weight.data<T>();
    const std::int64_t count = weight.numel();
#pragma omp parallel for schedule(static) num_threads(kernels::threads_for(count))
    for (std::int64_t begin = 0; begin < count; begin += kPart) {
      Random random = sequence;
      random.seek(static_cast<std::uint32_t>(begin / 2));
      const std::int64_t end = std::min(begin + kPart, count);
      for (std::int64_t i = begin; i < end; ++i) values[i] = static_cast<T>(draw(random));
    }
  });
}

}  // namespace

InitScope::InitScope(std::uint64_t seed, bool skip)
    : state_(state, {.seed = seed, .count = 0, .skip = skip}) {}

std::uint64_t draw_seed() {
  Random random = next_sequence();
  const std::uint64_t high = random.next_u32();
  return high << 32 | random.next_u32();
}

std::int64_t fan_in(const Tensor& weight) {
  require<ShapeError>(weight.rank() >= 2, "init: weight: expected rank 2 or more, got {}",
                      weight.shape());
  return weight.numel() / std::max<std::int64_t>(1, weight.dim(0));
}

void normal_(Tensor weight, double std) {
  fill(weight, [std](Random& random) { return std * random.normal(); });
}

void uniform_(Tensor weight, double bound) {
  fill(weight, [bound](Random& random) { return random.uniform(-bound, bound); });
}

void he_normal_fan_in_(Tensor weight) {
  normal_(weight, std::sqrt(2.0 / static_cast<double>(fan_in(weight))));
}

void dirac_(Tensor weight, std::int64_t groups) {
  require<ShapeError>(weight.rank() == 4, "dirac_: weight: expected rank 4, got {}",
                      weight.shape());
  const std::int64_t c_out = weight.dim(0), channels = weight.dim(1);
  const std::int64_t kernel_h = weight.dim(2), kernel_w = weight.dim(3);
  require<ValueError>(kernel_h % 2 == 1 && kernel_w % 2 == 1,
                      "dirac_: weight: expected a kernel of odd size, got {}", weight.shape());
  require<ValueError>(groups >= 1 && c_out % groups == 0,
                      "dirac_: groups: expected a divisor of the {} filters, got {}", c_out,
                      groups);
  if (state.skip) return;
  const std::int64_t filters = c_out / groups, passing = std::min(filters, channels);
  const std::vector<std::int64_t> stride = weight.strides();
  weight.detach().bump_version();
  visit_floating(weight.dtype(), "dirac_", [&]<class T>() {
    T* const values = weight.data<T>();
    for (std::int64_t i = 0; i < c_out; ++i) {
      if (i % filters >= passing) continue;
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t h = 0; h < kernel_h; ++h)
          for (std::int64_t w = 0; w < kernel_w; ++w) {
            const bool pass = c == i % filters && h == kernel_h / 2 && w == kernel_w / 2;
            values[i * stride[0] + c * stride[1] + h * stride[2] + w * stride[3]] = pass;
          }
    }
  });
}

}  // namespace resgrad::init
