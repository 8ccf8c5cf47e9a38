// Batch norm as training uses it, forward and backward, alone and joined with the ReLU and the
// addition behind it.
#include <fmt/format.h>

#include "bench/bench.h"
#include "core/ops/batch_norm.h"
#include "core/ops/fused/batch_norm_relu.h"

namespace resgrad::bench {
namespace {

constexpr std::int64_t kImages = 32;

struct Operands {
  Tensor x, residual, weight, bias, mean, var;
  explicit Operands(std::int64_t channels, std::int64_t size)
      : x(random_tensor({kImages, channels, size, size}).to(MemoryFormat::channels_last)),
        residual(x.clone()),
        weight(Tensor::ones({channels})),
        bias(Tensor::zeros({channels})),
        mean(Tensor::zeros({channels})),
        var(Tensor::ones({channels})) {}

  Tensor forward(const std::string& op) {
    const BatchNormOptions training{.training = true};
    if (op == "batch_norm") return batch_norm(x, weight, bias, mean, var, training);
    if (op == "batch_norm_relu") return batch_norm_relu(x, weight, bias, mean, var, training);
    return batch_norm_add_relu(x, residual, weight, bias, mean, var, training);
  }
};

// Reads and writes of whole activations: forward x twice, y and perhaps the residual; backward dy
// and x twice and dx, with a ReLU two more, be it y twice, or y once and the masked dy.
double forward_passes(const std::string& op) {
  return op == "batch_norm_add_relu" ? 4 : 3;
}
double backward_passes(const std::string& op) {
  return op == "batch_norm" ? 5 : 7;
}

void forward(benchmark::State& state, const std::string& op, std::int64_t channels,
             std::int64_t size) {
  Operands operands(channels, size);
  const double bytes = static_cast<double>(operands.x.byte_size());
  measure(state, {.bytes = bytes * forward_passes(op)}, [&] { operands.forward(op); });
}

void backward(benchmark::State& state, const std::string& op, std::int64_t channels,
              std::int64_t size) {
  Operands operands(channels, size);
  operands.x.set_requires_grad();
  operands.residual.set_requires_grad();
  const Tensor y = operands.forward(op), dy = Tensor::ones(y.shape()).to(y.memory_format());
  const double bytes = static_cast<double>(y.byte_size());
  measure(state, {.bytes = bytes * backward_passes(op)}, [&] {
    operands.x.zero_grad();
    operands.residual.zero_grad();
    y.backward(dy, {.retain_graph = true});
  });
}

}  // namespace

void add_batch_norm() {
  for (const auto& [channels, size] :
       {std::pair<std::int64_t, std::int64_t>{16, 32}, {32, 16}, {64, 8}, {64, 32}, {512, 4}}) {
    for (const std::string op : {"batch_norm", "batch_norm_relu", "batch_norm_add_relu"}) {
      const std::string shape = fmt::format("{}x{}x{}", channels, size, size);
      add(fmt::format("{}/{}/forward", op, shape),
          [op, c = channels, s = size](benchmark::State& state) { forward(state, op, c, s); });
      add(fmt::format("{}/{}/backward", op, shape),
          [op, c = channels, s = size](benchmark::State& state) { backward(state, op, c, s); });
    }
  }
}

}  // namespace resgrad::bench
