#include "core/onnx_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace resgrad {
namespace {

// Which node makes a value, and how many take it.
struct Uses {
  std::map<std::string, OnnxNode*> maker;
  std::map<std::string, int> takers;

  explicit Uses(OnnxGraph& graph) {
    for (OnnxNode& node : graph.nodes) {
      maker[node.output] = &node;
      for (const std::string& value : node.inputs) ++takers[value];
    }
    ++takers[graph.output.name];
  }
};

Tensor& constant(OnnxGraph& graph, const std::string& name) {
  return std::ranges::find(graph.initialisers, name, &NamedTensor::name)->tensor;
}

// The convolution whose output a norm alone takes, with weights of its own; null: there is none, or
// something is computed that folding needs as a constant.
OnnxNode* folding_conv(const OnnxGraph& graph, const OnnxNode& norm, const Uses& uses) {
  if (norm.op != "BatchNormalization") return nullptr;
  const auto maker = uses.maker.find(norm.inputs[0]);
  if (maker == uses.maker.end() || maker->second->op != "Conv") return nullptr;
  OnnxNode& conv = *maker->second;
  const auto is_constant = [&](const std::string& value) {
    return std::ranges::find(graph.initialisers, value, &NamedTensor::name) !=
           graph.initialisers.end();
  };
  const auto is_its_own = [&](const std::string& value) { return uses.takers.at(value) == 1; };
  const bool folds =
      is_its_own(conv.output) &&
      std::all_of(norm.inputs.begin() + 1, norm.inputs.end(), is_constant) &&
      std::all_of(conv.inputs.begin() + 1, conv.inputs.end(),
                  [&](const auto& value) { return is_constant(value) && is_its_own(value); });
  return folds ? &conv : nullptr;
}

void fold(OnnxGraph& graph, const OnnxNode& norm, OnnxNode& conv) {
  const auto values = [&](std::size_t input) {
    return constant(graph, norm.inputs[input]).to_vector<double>();
  };
  const std::vector<double> scale = values(1), shift = values(2), mean = values(3), var = values(4);
  const auto given = std::ranges::find(norm.attributes, "epsilon", &OnnxAttribute::name);
  const double epsilon = given == norm.attributes.end() ? 1e-5 : std::get<float>(given->value);
  Tensor& weight = constant(graph, conv.inputs[1]);
  const bool has_bias = conv.inputs.size() > 2;
  const std::size_t channels = scale.size();
  std::vector<double> weights = weight.to_vector<double>(),
                      biases = has_bias ? constant(graph, conv.inputs[2]).to_vector<double>()
                                        : std::vector<double>(channels);
  const std::size_t per_channel = weights.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    const double s = scale[c] / std::sqrt(var[c] + epsilon);
    for (std::size_t i = c * per_channel; i < (c + 1) * per_channel; ++i) weights[i] *= s;
    biases[c] = s * (biases[c] - mean[c]) + shift[c];
  }
  const auto count = static_cast<std::int64_t>(channels);
  weight = Tensor::from(std::vector<float>(weights.begin(), weights.end()), weight.shape());
  const Tensor bias = Tensor::from(std::vector<float>(biases.begin(), biases.end()), {count});
  if (has_bias) {
    constant(graph, conv.inputs[2]) = bias;
  } else {
    const std::string name = conv.inputs[1].substr(0, conv.inputs[1].rfind('.'));
    conv.inputs.push_back(graph.add_constant(onnx_path(name, "bias"), bias));
  }
}

}  // namespace

std::string onnx_path(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

OnnxGraph::OnnxGraph(OnnxValue in, OnnxValue out) : input(std::move(in)), output(std::move(out)) {
  unique(input.name);
  unique(output.name);
}

std::string OnnxGraph::unique(std::string name) {
  const int before = taken_[name]++;
  return before == 0 ? name : unique(fmt::format("{}_{}", name, before + 1));
}

std::string OnnxGraph::add(std::string op, std::string_view path, std::vector<std::string> inputs,
                           std::vector<OnnxAttribute> attributes) {
  std::string output = unique(path.empty() ? op : fmt::format("{}/{}", path, op));
  nodes.push_back({std::move(op), std::move(inputs), output, std::move(attributes)});
  return output;
}

std::string OnnxGraph::add_constant(const std::string& name, const Tensor& value) {
  initialisers.push_back({unique(name), value.detach()});
  return initialisers.back().name;
}

void fold_norms(OnnxGraph& graph) {
  const Uses uses(graph);
  std::set<std::string> folded;  // outputs of norms that are gone
  for (const OnnxNode& norm : graph.nodes) {
    OnnxNode* conv = folding_conv(graph, norm, uses);
    if (conv == nullptr) continue;
    fold(graph, norm, *conv);
    conv->output = norm.output;
    folded.insert(norm.output);
  }
  std::erase_if(graph.nodes, [&](const OnnxNode& node) {
    return node.op == "BatchNormalization" && folded.contains(node.output);
  });
  std::set<std::string> taken;
  for (const OnnxNode& node : graph.nodes) taken.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(graph.initialisers, [&](const NamedTensor& t) { return !taken.contains(t.name); });
}

}  // namespace resgrad
