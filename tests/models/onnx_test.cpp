// The graphs of networks: blocks, shortcuts, stems and everything else that a description can say.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/autograd/grad_mode.h"
#include "core/random.h"
#include "models/registry.h"
#include "nn/eval_guard.h"
#include "nn/onnx.h"
#include "tests/support/onnx_run.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

// A network whose norms and statistics are not those of a new one.
std::shared_ptr<ResNet> drawn(const std::string& name, const models::Fields& fields) {
  auto net = models::make(name, {.fields = fields, .seed = 4});
  Random random(3, Purpose::test);
  const NoGradGuard no_grad;
  for (NamedTensor& t : net->state_dict()) {
    if (t.tensor.rank() == 1 && t.tensor.dtype() == DType::float32) {
      const double low = t.name.ends_with("weight") || t.name.ends_with("var") ? 0.5 : -0.5;
      t.tensor.copy_(Tensor::rand(t.tensor.shape(), random, low, low + 1));
    }
  }
  return net;
}

std::int64_t count(const OnnxGraph& graph, const std::string& op) {
  return std::ranges::count(graph.nodes, op, &OnnxNode::op);
}

}  // namespace

TEST_CASE("the graph of a network computes what the network does, folded or not") {
  struct Case {
    std::string model;
    models::Fields fields = {};
    std::int64_t norms, folded;  // norms of the graph, and those that are left
    std::int64_t size = 16;
  };
  for (const Case& c : {
           Case{"resnet20", {}, 19, 0},
           Case{"preact_resnet20", {}, 19, 10},  // the first of each block and the last of all
           Case{"resnet20", {{"shortcut", "B"}}, 21, 0},
           Case{"preact_resnet20", {{"shortcut", "B"}, {"blocks", "1,1,1"}}, 7, 4},
           Case{"preact_resnet20",
                {{"shortcut", "B"}, {"activated_shortcut", "on"}, {"final_norm", "off"}},
                18,
                9},
           Case{"preact_resnet164", {{"blocks", "1,2,1"}}, 13, 5},
           Case{"resnet18",
                {{"stem", "imagenet"}, {"stem_channels", "8"}, {"channels", "8,12,16,24"}},
                20,
                0,
                64},
           Case{"resnext29_32x4d", {{"blocks", "1,1,1"}}, 13, 0},
           Case{"resnext29_32x4d", {{"blocks", "1,1,1"}, {"activation", "pre"}}, 10, 4},
           Case{"fastresnet8", {}, 6, 3},  // those behind pooling stay
           Case{"fastresnet8", {{"activation", "pre"}, {"whiten_stem", "off"}}, 7, 6},
           Case{"resnet20", {{"pool", "max"}, {"logit_scale", "0.3"}, {"num_classes", "7"}}, 19, 0},
       }) {
    CAPTURE(c.model);
    CAPTURE(models::to_text(c.fields));
    const auto net = drawn(c.model, c.fields);
    Random random(1, Purpose::test);
    const Tensor x = Tensor::randn({2, 3, c.size, c.size}, random);
    const OnnxGraph plain = onnx_graph(*net, {1, 3, c.size, c.size}),
                    folded = onnx_graph(*net, {1, 3, c.size, c.size}, {.fold_norms = true});
    CHECK(count(plain, "BatchNormalization") == c.norms);
    CHECK(count(folded, "BatchNormalization") == c.folded);
    CHECK(count(plain, "Conv") == count(folded, "Conv"));
    const EvalGuard evaluation(*net);
    const NoGradGuard no_grad;
    const Tensor want = (*net)(x);
    CHECK(relative_difference(run_onnx(plain, x), want) < 1e-5);
    CHECK(relative_difference(run_onnx(folded, x), want) < 1e-5);
  }
}

TEST_CASE("shortcut A takes every second pixel and adds channels of zeros") {
  const auto net = models::make("resnet20", {.initialise = false});
  const OnnxGraph graph = onnx_graph(*net, {1, 3, 8, 8});
  CHECK(count(graph, "Slice") == 2);
  CHECK(count(graph, "Pad") == 2);
  const auto values = [&graph](const char* name) {
    const auto found = std::ranges::find(graph.initialisers, name, &NamedTensor::name);
    REQUIRE(found != graph.initialisers.end());
    return found->tensor.to_vector<std::int64_t>();
  };
  using Numbers = std::vector<std::int64_t>;
  CHECK(values("stage2.0.shortcut.steps") == Numbers{2, 2});
  CHECK(values("stage2.0.shortcut.axes") == Numbers{2, 3});
  CHECK(values("stage2.0.shortcut.pads") == Numbers{0, 8, 0, 0, 0, 8, 0, 0});
}

TEST_CASE("every network of the registry has a graph with all of its tensors") {
  for (const models::Entry& entry : models::registry()) {
    if (entry.name.find("1202") != std::string::npos) continue;  // as resnet110
    CAPTURE(entry.name);
    const auto net = models::make(entry.name, {.initialise = false});
    const OnnxGraph graph = onnx_graph(*net, {1, 3, 8, 8});
    std::vector<std::string> names;
    for (const NamedTensor& t : graph.initialisers) names.push_back(t.name);
    for (const NamedTensor& t : net->state_dict()) {
      if (t.tensor.dtype() == DType::float32) CHECK(std::ranges::count(names, t.name) == 1);
    }
    CHECK(graph.nodes.back().output == "output");
  }
}
