#include "nn/onnx.h"

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/check.h"
#include "nn/eval_guard.h"

namespace resgrad {
namespace {

void check(const Module& net, const Shape& input_shape, const OnnxOptions& o) {
  for (const NamedTensor& t : net.state_dict()) {
    require<ValueError>(t.tensor.dtype() != DType::float64,
                        "onnx: {}: expected a network of float32, got float64", t.name);
  }
  require<ValueError>(
      input_shape.size() >= 2 && std::ranges::all_of(input_shape, [](auto n) { return n >= 1; }),
      "onnx: input_shape: expected [batch, channels, ...] of at least 1, got {}", input_shape);
  const auto one_each = [&](const std::vector<double>& numbers) {
    return std::cmp_equal(numbers.size(), input_shape[1]);
  };
  require<ValueError>(
      (o.mean.empty() && o.deviation.empty()) ||
          (one_each(o.mean) && one_each(o.deviation) &&
           std::ranges::all_of(o.deviation, [](double d) { return d > 0; })),
      "onnx: normalisation: expected a mean and a positive deviation for each of {} "
      "channels, got means {} and deviations {}",
      input_shape[1], o.mean, o.deviation);
}

// [1, channels, 1, ...], to go with inputs of this shape.
Tensor per_channel(const std::vector<double>& values, double factor, const Shape& input_shape) {
  Shape shape(input_shape.size(), 1);
  shape[1] = input_shape[1];
  std::vector<float> scaled;
  for (const double value : values) scaled.push_back(static_cast<float>(factor * value));
  return Tensor::from(scaled, shape);
}

std::string normalised(OnnxGraph& graph, const std::string& pixels, const Shape& input_shape,
                       const OnnxOptions& o) {
  if (o.mean.empty()) return pixels;
  constexpr double kWhite = 255;
  const auto constant = [&](const char* name, const std::vector<double>& values) {
    return graph.add_constant(name, per_channel(values, kWhite, input_shape));
  };
  const std::string centred =
      graph.add("Sub", "normalisation", {pixels, constant("normalisation.mean", o.mean)});
  return graph.add("Div", "normalisation",
                   {centred, constant("normalisation.deviation", o.deviation)});
}

// Calls the value `y` the output of the graph.
void end_with(OnnxGraph& graph, const std::string& y) {
  const auto maker = std::ranges::find(graph.nodes, y, &OnnxNode::output);
  if (maker == graph.nodes.end()) {
    graph.nodes.push_back({.op = "Identity", .inputs = {y}, .output = graph.output.name});
    return;
  }
  maker->output = graph.output.name;
  for (OnnxNode& node : graph.nodes) std::ranges::replace(node.inputs, y, graph.output.name);
}

OnnxValue with_any_batch(std::string name, const Shape& shape) {
  OnnxValue value{.name = std::move(name), .shape = {"batch"}};
  value.shape.insert(value.shape.end(), shape.begin() + 1, shape.end());
  return value;
}

}  // namespace

OnnxGraph onnx_graph(Module& net, const Shape& input_shape, const OnnxOptions& options) {
  check(net, input_shape, options);
  const EvalGuard evaluation(net);
  const NoGradGuard no_grad;
  OnnxGraph graph(with_any_batch("input", input_shape),
                  with_any_batch("output", net(Tensor::zeros(input_shape)).shape()));
  const std::string x = normalised(graph, graph.input.name, input_shape, options);
  end_with(graph, net.add_to_onnx(graph, "", x));
  if (options.fold_norms) fold_norms(graph);
  return graph;
}

}  // namespace resgrad
