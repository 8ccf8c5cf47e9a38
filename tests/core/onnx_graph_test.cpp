#include "core/onnx_graph.h"

#include <doctest/doctest.h>

#include <utility>

#include "core/random.h"
#include "tests/support/compare.h"
#include "tests/support/onnx_run.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using Ops = std::vector<std::string>;

// Parts of graphs with random constants, on images of two channels.
struct Maker {
  OnnxGraph graph{{"input", {"batch", 2, 4, 5}}, {"output", {"batch", 2, 4, 5}}};
  Random random{7, Purpose::test};

  std::string constant(const std::string& name, const Shape& shape, double low) {
    return graph.add_constant(name, Tensor::rand(shape, random, low, 1.5));
  }

  std::string conv(const std::string& path, const std::string& x, bool bias,
                   const Shape& weight = {2, 2, 3, 3}, std::int64_t groups = 1) {
    std::vector<std::string> inputs = {x, constant(path + ".weight", weight, -1)};
    if (bias) inputs.push_back(constant(path + ".bias", {2}, -1));
    using Numbers = std::vector<std::int64_t>;
    return graph.add("Conv", path, inputs,
                     {{"kernel_shape", Numbers{3, 3}},
                      {"strides", Numbers{1, 1}},
                      {"pads", Numbers{1, 1, 1, 1}},
                      {"dilations", Numbers{1, 1}},
                      {"group", groups}});
  }

  std::string norm(const std::string& path, const std::string& x) {
    std::vector<std::string> inputs = {x};
    for (const char* name : {".weight", ".bias", ".running_mean", ".running_var"}) {
      inputs.push_back(constant(path + name, {2}, name == std::string(".running_var") ? 0.1 : -1));
    }
    return graph.add("BatchNormalization", path, inputs, {{"epsilon", 0.01F}});
  }

  // Folds, and checks that the graph computes the same as before.
  OnnxGraph& folded(const std::string& last) {
    graph.nodes.push_back({"Identity", {last}, "output"});
    const Tensor x = Tensor::randn({3, 2, 4, 5}, random);
    const Tensor before = run_onnx(graph, x);
    fold_norms(graph);
    CHECK(relative_difference(run_onnx(graph, x), before) < 1e-6);
    return graph;
  }
};

Ops constants(const OnnxGraph& graph) {
  Ops names;
  for (const NamedTensor& t : graph.initialisers) names.push_back(t.name);
  return names;
}

}  // namespace

TEST_CASE("paths are those of tensors") {
  CHECK(onnx_path("", "fc") == "fc");
  CHECK(onnx_path("stage1.0", "shortcut") == "stage1.0.shortcut");
}

TEST_CASE("values and constants have names of their own, without data of their own") {
  OnnxGraph graph({"input", {}}, {"output", {}});
  CHECK(graph.add("Relu", "stem.1", {"input"}) == "stem.1/Relu");
  CHECK(graph.add("Relu", "stem.1", {"input"}) == "stem.1/Relu_2");
  CHECK(graph.add("Relu", "", {"input"}) == "Relu");
  const Tensor value = Tensor::ones({2}).set_requires_grad();
  CHECK(graph.add_constant("output", value) == "output_2");
  CHECK(graph.add_constant("output_2", value) == "output_2_2");
  CHECK(graph.add_constant("input", value) == "input_2");
  CHECK(graph.initialisers[0].tensor.bytes() == value.bytes());
  CHECK_FALSE(graph.initialisers[0].tensor.requires_grad());
}

TEST_CASE("a norm behind a convolution becomes part of it") {
  Maker maker;
  const std::string y = maker.norm("1", maker.conv("0", "input", false));
  const Tensor weight = maker.graph.initialisers[0].tensor;
  const std::vector<float> before = weight.to_vector<float>();
  const OnnxGraph& graph = maker.folded(y);
  CHECK(onnx_ops(graph) == Ops{"Conv", "Identity"});
  CHECK(constants(graph) == Ops{"0.weight", "0.bias"});
  CHECK(weight.to_vector<float>() == before);  // the network's own stays
}

TEST_CASE("so with a bias, groups and more behind it") {
  Maker maker;
  const std::string first = maker.norm("1", maker.conv("0", "input", true));
  const std::string second = maker.norm(
      "3", maker.conv("2", maker.graph.add("Relu", "r", {first}), true, {2, 1, 3, 3}, 2));
  const OnnxGraph& graph = maker.folded(second);
  CHECK(onnx_ops(graph) == Ops{"Conv", "Relu", "Conv", "Identity"});
  CHECK(constants(graph) == Ops{"0.weight", "0.bias", "2.weight", "2.bias"});
}

TEST_CASE("norms that no convolution can take stay") {
  SUBCASE("in front of it") {
    Maker maker;
    CHECK(onnx_ops(maker.folded(maker.conv("1", maker.norm("0", "input"), false))) ==
          Ops{"BatchNormalization", "Conv", "Identity"});
  }
  SUBCASE("behind one whose output goes elsewhere, too") {
    Maker maker;
    const std::string y = maker.conv("0", "input", false), z = maker.norm("1", y);
    CHECK(onnx_ops(maker.folded(maker.graph.add("Add", "2", {y, z}))) ==
          Ops{"Conv", "BatchNormalization", "Add", "Identity"});
  }
  SUBCASE("behind one whose weight another has, too") {
    Maker maker;
    const std::string y = maker.norm("1", maker.conv("0", "input", false));
    const std::string z = maker.conv("2", y, false);
    maker.graph.nodes.back().inputs[1] = "0.weight";
    CHECK(onnx_ops(maker.folded(z)) == Ops{"Conv", "BatchNormalization", "Conv", "Identity"});
  }
  SUBCASE("behind one whose weight is computed") {
    Maker maker;
    const std::string factor = maker.constant("factor", {2, 2, 3, 3}, 0.5);
    const std::string y = maker.conv("0", "input", false);
    const std::string weight = maker.graph.add("Add", "w", {"0.weight", factor});
    std::swap(maker.graph.nodes[0], maker.graph.nodes[1]);
    maker.graph.nodes[1].inputs[1] = weight;
    CHECK(onnx_ops(maker.folded(maker.norm("1", y))) ==
          Ops{"Add", "Conv", "BatchNormalization", "Identity"});
  }
  SUBCASE("a second norm") {
    Maker maker;
    const std::string y = maker.norm("1", maker.conv("0", "input", false));
    CHECK(onnx_ops(maker.folded(maker.norm("2", y))) ==
          Ops{"Conv", "BatchNormalization", "Identity"});
  }
}

TEST_CASE("epsilon is found by its name, and has ONNX's default") {
  for (const bool given : {true, false}) {
    Maker maker;
    const std::string y = maker.norm("1", maker.conv("0", "input", false));
    std::vector<OnnxAttribute>& attributes = maker.graph.nodes.back().attributes;
    attributes = {{"momentum", 0.9F}};
    if (given) attributes.push_back({"epsilon", 0.01F});
    CHECK(onnx_ops(maker.folded(y)) == Ops{"Conv", "Identity"});
  }
}
