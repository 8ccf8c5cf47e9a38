// Pooling, forward and backward, as networks use it: windows of 2x2 and 3x3, and the global mean.
#include <fmt/format.h>

#include "bench/bench.h"
#include "core/ops/pool.h"

namespace resgrad::bench {
namespace {

constexpr std::int64_t kImages = 32;

struct Case {
  std::string name;
  std::int64_t channels, size;
  Pool2dOptions options;
  Tensor (*op)(const Tensor&, const Pool2dOptions&);
};

Tensor input(const Case& c) {
  return random_tensor({kImages, c.channels, c.size, c.size}).to(MemoryFormat::channels_last);
}

// Of x and y, and for a maximum the place of each (32 bits).
double bytes_of(const Case& c, const Tensor& x, const Tensor& y) {
  return static_cast<double>(x.byte_size() + y.byte_size() * (c.op == max_pool2d ? 2 : 1));
}

void forward(benchmark::State& state, const Case& c) {
  const Tensor x = input(c);
  measure(state, {.bytes = bytes_of(c, x, c.op(x, c.options))}, [&] { c.op(x, c.options); });
}

void backward(benchmark::State& state, const Case& c) {
  Tensor x = input(c);
  x.set_requires_grad();
  const Tensor y = c.op(x, c.options), dy = Tensor::ones(y.shape()).to(y.memory_format());
  measure(state, {.bytes = bytes_of(c, x, y)}, [&] {
    x.zero_grad();
    y.backward(dy, {.retain_graph = true});
  });
}

}  // namespace

void add_pool() {
  const Case cases[] = {{"max_pool2d/64x32x32/2x2", 64, 32, {.kernel = 2}, max_pool2d},
                        {"max_pool2d/64x32x32/3x3_stride2",
                         64,
                         32,
                         {.kernel = 3, .stride = Pair2d(2), .padding = 1},
                         max_pool2d},
                        {"avg_pool2d/64x32x32/2x2", 64, 32, {.kernel = 2}, avg_pool2d},
                        {"avg_pool2d/64x8x8/global", 64, 8, {.kernel = 8}, avg_pool2d},
                        {"avg_pool2d/512x4x4/global", 512, 4, {.kernel = 4}, avg_pool2d}};
  for (const Case& c : cases) {
    add(c.name + "/forward", [c](benchmark::State& state) { forward(state, c); });
    add(c.name + "/backward", [c](benchmark::State& state) { backward(state, c); });
  }
}

}  // namespace resgrad::bench
