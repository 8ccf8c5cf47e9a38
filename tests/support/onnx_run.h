// Runs a graph of ONNX operators by the library's operations: what the specification of each
// operator says of its inputs and attributes, written apart from the code that adds them to graphs.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/onnx_graph.h"
#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"

namespace resgrad::testing {

/// The attribute of a node; a failure where it has none.
template <class T>
T onnx_attribute(const OnnxNode& node, const std::string& name) {
  const auto found = std::ranges::find(node.attributes, name, &OnnxAttribute::name);
  REQUIRE_MESSAGE(found != node.attributes.end(), node.output << " has no attribute " << name);
  return std::get<T>(found->value);
}

/// The same with a default for a node without it.
template <class T>
T onnx_attribute(const OnnxNode& node, const std::string& name, T missing) {
  const bool found =
      std::ranges::find(node.attributes, name, &OnnxAttribute::name) != node.attributes.end();
  return found ? onnx_attribute<T>(node, name) : missing;
}

namespace onnx_run {

using Numbers = std::vector<std::int64_t>;

inline Pair2d pair_of(const OnnxNode& node, const std::string& name) {
  const auto numbers = onnx_attribute<Numbers>(node, name);
  REQUIRE(numbers.size() == 2);
  return {numbers[0], numbers[1]};
}

// The same on both sides of each axis: what the library's operations can do.
inline Pair2d padding_of(const OnnxNode& node) {
  const auto pads = onnx_attribute<Numbers>(node, "pads");
  REQUIRE(pads.size() == 4);
  REQUIRE(pads[0] == pads[2]);
  REQUIRE(pads[1] == pads[3]);
  return {pads[0], pads[1]};
}

inline Pool2dOptions window_of(const OnnxNode& node) {
  return {.kernel = pair_of(node, "kernel_shape"),
          .stride = pair_of(node, "strides"),
          .padding = padding_of(node)};
}

inline Tensor convolution(const OnnxNode& node, const std::vector<Tensor>& in) {
  const Pair2d kernel = pair_of(node, "kernel_shape");
  CHECK(kernel == Pair2d(in[1].dim(2), in[1].dim(3)));
  return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(),
                {.stride = pair_of(node, "strides"),
                 .padding = padding_of(node),
                 .dilation = pair_of(node, "dilations"),
                 .groups = onnx_attribute<std::int64_t>(node, "group")});
}

inline Tensor sliced(Tensor x, const std::vector<Tensor>& in) {
  REQUIRE(in.size() == 5);
  const auto starts = in[1].to_vector<std::int64_t>(), ends = in[2].to_vector<std::int64_t>(),
             axes = in[3].to_vector<std::int64_t>(), steps = in[4].to_vector<std::int64_t>();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    x = slice(x, axes[i], starts.at(i), std::min(ends.at(i), x.dim(axes[i])), steps.at(i));
  }
  return x;
}

inline Tensor padded(const Tensor& x, const Tensor& pads) {
  const auto numbers = pads.to_vector<std::int64_t>();
  const auto rank = static_cast<std::size_t>(x.rank());
  REQUIRE(numbers.size() == 2 * rank);
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::size_t i = 0; i < rank; ++i) pairs.emplace_back(numbers[i], numbers[rank + i]);
  return zero_pad(x, pairs);
}

inline Tensor run_node(const OnnxNode& node, std::vector<Tensor> in) {
  const auto is = [&node](std::string_view op) { return node.op == op; };
  const Tensor& x = in.at(0);
  if (is("Conv")) return convolution(node, in);
  if (is("BatchNormalization")) {
    REQUIRE(in.size() == 5);
    return batch_norm(x, in[1], in[2], in[3], in[4],
                      {.training = false, .eps = onnx_attribute(node, "epsilon", 1e-5F)});
  }
  if (is("Relu")) return relu(x);
  if (is("Identity")) return x;
  if (is("Add")) return x + in.at(1);
  if (is("Sub")) return x - in.at(1);
  if (is("Mul")) return x * in.at(1);
  if (is("Div")) return x / in.at(1);
  if (is("MaxPool")) return max_pool2d(x, window_of(node));
  if (is("AveragePool")) {
    CHECK(onnx_attribute<std::int64_t>(node, "count_include_pad") == 1);
    return avg_pool2d(x, window_of(node));
  }
  if (is("GlobalAveragePool")) return global_avg_pool2d(x);
  if (is("GlobalMaxPool")) return max_pool2d(x, {.kernel = {x.dim(2), x.dim(3)}});
  if (is("Flatten")) return flatten(x, onnx_attribute<std::int64_t>(node, "axis"));
  if (is("Gemm")) {
    CHECK(onnx_attribute<std::int64_t>(node, "transB") == 1);
    return linear(x, in.at(1), in.at(2));
  }
  if (is("Slice")) return sliced(x, in);
  if (is("Pad")) return padded(x, in.at(1));
  FAIL("an operator that is not known: ", node.op);
  return {};
}

inline void check_shape(const OnnxValue& value, const Shape& shape) {
  REQUIRE(value.shape.size() == shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto* size = std::get_if<std::int64_t>(&value.shape[i]);
    if (size != nullptr) CHECK(*size == shape[i]);
  }
}

}  // namespace onnx_run

/// The output of the graph for `input`. Values must be made before they are taken, and once; the
/// shapes of input and output must be those that the graph names.
inline Tensor run_onnx(const OnnxGraph& graph, const Tensor& input) {
  std::map<std::string, Tensor> values = {{graph.input.name, input}};
  onnx_run::check_shape(graph.input, input.shape());
  const auto set = [&](const std::string& name, const Tensor& value) {
    CHECK_MESSAGE(values.emplace(name, value).second, name << " is there twice");
  };
  for (const NamedTensor& t : graph.initialisers) set(t.name, t.tensor);
  for (const OnnxNode& node : graph.nodes) {
    std::vector<Tensor> in;
    for (const std::string& name : node.inputs) {
      REQUIRE_MESSAGE(values.contains(name),
                      node.output << " takes " << name << " before it is made");
      in.push_back(values.at(name));
    }
    set(node.output, onnx_run::run_node(node, in));
  }
  REQUIRE(values.contains(graph.output.name));
  onnx_run::check_shape(graph.output, values.at(graph.output.name).shape());
  return values.at(graph.output.name);
}

/// The types of the nodes in their order.
inline std::vector<std::string> onnx_ops(const OnnxGraph& graph) {
  std::vector<std::string> ops;
  for (const OnnxNode& node : graph.nodes) ops.push_back(node.op);
  return ops;
}

/// The largest difference, as a share of the largest of `want`.
inline double relative_difference(const Tensor& got, const Tensor& want) {
  REQUIRE(got.shape() == want.shape());
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i])) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  return difference / largest;
}

}  // namespace resgrad::testing
