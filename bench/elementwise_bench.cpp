// Elementwise operations with scalars and broadcasts, on an activation of ResNet-18.
#include "bench/bench.h"
#include "core/ops/arithmetic.h"
#include "core/ops/dropout.h"
#include "core/ops/reduce.h"
#include "core/ops/shaping.h"

namespace resgrad::bench {
namespace {

struct Case {
  std::string name;
  double passes;  // over the memory of x, by what it reads and writes
  Tensor (*op)(const Tensor& x, const Tensor& per_channel);
};

void forward(benchmark::State& state, const Case& c, MemoryFormat format) {
  const Tensor x = random_tensor({128, 64, 32, 32}).to(format);
  const Tensor per_channel = random_tensor({1, 64, 1, 1});
  measure(state, {.bytes = c.passes * static_cast<double>(x.byte_size())},
          [&] { c.op(x, per_channel); });
}

}  // namespace

void add_elementwise() {
  const Case cases[] = {
      {"x+x", 2, [](const Tensor& x, const Tensor&) { return x + x; }},
      {"x*2", 2, [](const Tensor& x, const Tensor&) { return x * 2; }},
      {"-x", 2, [](const Tensor& x, const Tensor&) { return -x; }},
      {"x*channel", 2, [](const Tensor& x, const Tensor& per_channel) { return x * per_channel; }},
      {"pow(x,2)", 2, [](const Tensor& x, const Tensor&) { return pow(x, 2); }},
      {"concatenate", 3,
       [](const Tensor& x, const Tensor&) {
         return concatenate({x, x}, 1);
       }},
      {"sum_NHW", 1,
       [](const Tensor& x, const Tensor&) {
         return sum(x, {.axes = {0, 2, 3}});
       }},
      {"dropout", 3, [](const Tensor& x, const Tensor&) {
         Random random(1, Purpose::dropout);
         return dropout(x, 0.1, random);
       }}};
  for (const Case& c : cases) {
    for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
      add("elementwise/" + c.name + "/" + std::string(name(format)),
          [c, format](benchmark::State& state) { forward(state, c, format); });
    }
  }
}

}  // namespace resgrad::bench
