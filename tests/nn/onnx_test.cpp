#include "nn/onnx.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/ops/relu.h"
#include "core/random.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/onnx_run.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

using Ops = std::vector<std::string>;

// Norms that are not those of a new network.
void draw_norms(Module& net) {
  Random random(3, Purpose::test);
  for (NamedTensor& t : net.state_dict()) {
    if (t.tensor.rank() != 1 || t.tensor.dtype() != DType::float32) continue;
    const NoGradGuard no_grad;
    t.tensor.copy_(Tensor::rand(t.tensor.shape(), random, 0.5, 1.5));
  }
}

Tensor evaluated(Module& net, const Tensor& x) {
  const EvalGuard evaluation(net);
  const NoGradGuard no_grad;
  return net(x);
}

ModulePtr conv(std::int64_t c_in, std::int64_t c_out, Conv2dLayerOptions options,
               Pair2d kernel = 3) {
  return std::make_shared<Conv2d>(c_in, c_out, kernel, options);
}

class Custom final : public Module {
 public:
  std::string class_name() const override { return "Custom"; }

 private:
  Tensor forward(const Tensor& x) override { return relu(x); }
};

}  // namespace

TEST_CASE("every layer, with all of its options") {
  const init::InitScope weights(5);
  Sequential net{conv(2, 6, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2}, {3, 2}),
                 std::make_shared<BatchNorm2d>(6, BatchNorm2dOptions{.eps = 0.5}),
                 std::make_shared<ReLU>(),
                 std::make_shared<MaxPool2d>(
                     Pool2dOptions{.kernel = {3, 2}, .stride = Pair2d(1, 2), .padding = {1, 0}}),
                 conv(6, 4, {.padding = 2, .dilation = {2, 1}, .bias = false}),
                 std::make_shared<AvgPool2d>(Pool2dOptions{.kernel = 2, .padding = 1}),
                 std::make_shared<Dropout>(0.5),
                 std::make_shared<Identity>(),
                 std::make_shared<GlobalAvgPool2d>(),
                 std::make_shared<Flatten>(),
                 std::make_shared<Linear>(4, 3),
                 std::make_shared<Scale>(-0.125)};
  draw_norms(net);
  const OnnxGraph graph = onnx_graph(net, {1, 2, 11, 12});
  CHECK(onnx_ops(graph) == Ops{"Conv", "BatchNormalization", "Relu", "MaxPool", "Conv",
                               "AveragePool", "GlobalAveragePool", "Flatten", "Gemm", "Mul"});
  Random random(1, Purpose::test);
  for (const std::int64_t batch : {1, 3}) {
    const Tensor x = Tensor::randn({batch, 2, 11, 12}, random);
    CHECK(relative_difference(run_onnx(graph, x), evaluated(net, x)) < 1e-6);
  }
  CHECK(net.is_training());  // as before
  CHECK(graph.output.shape == decltype(graph.output.shape){"batch", std::int64_t{3}});
}

TEST_CASE("constants are the network's tensors under their names") {
  Sequential net{conv(2, 3, {.bias = false}), std::make_shared<BatchNorm2d>(3)};
  const OnnxGraph graph = onnx_graph(net, {1, 2, 4, 4});
  const std::vector<NamedTensor> state = net.state_dict();
  REQUIRE(graph.initialisers.size() == 5);  // without the counter
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(graph.initialisers[i].name == state[i].name);
    CHECK(graph.initialisers[i].tensor.bytes() == state[i].tensor.bytes());
  }
  CHECK(graph.nodes[0].output == "0/Conv");
  CHECK(graph.nodes[1].output == "output");
}

TEST_CASE("a layer that is used twice is written twice") {
  const auto shared = conv(2, 2, {.padding = 1});
  Sequential net{shared, std::make_shared<GlobalMaxPool2d>()};
  Sequential twice{shared, shared};
  const OnnxGraph graph = onnx_graph(twice, {1, 2, 4, 4});
  Random random(1, Purpose::test);
  const Tensor x = Tensor::randn({2, 2, 4, 4}, random);
  CHECK(relative_difference(run_onnx(graph, x), evaluated(twice, x)) < 1e-6);
  CHECK(relative_difference(run_onnx(onnx_graph(net, {1, 2, 4, 4}), x), evaluated(net, x)) < 1e-6);
}

TEST_CASE("with means and deviations the input is pixels") {
  const init::InitScope weights(5);
  Sequential net{conv(2, 3, {.padding = 1}), std::make_shared<BatchNorm2d>(3)};
  draw_norms(net);
  const OnnxGraph graph = onnx_graph(
      net, {1, 2, 4, 4}, {.mean = {0.5, 0.25}, .deviation = {0.2, 0.4}, .fold_norms = true});
  CHECK(onnx_ops(graph) == Ops{"Sub", "Div", "Conv"});
  Random random(1, Purpose::test);
  const Tensor pixels = Tensor::rand({2, 2, 4, 4}, random, 0, 255);
  const Tensor mean = Tensor::from<float>({0.5F, 0.25F}, {1, 2, 1, 1}),
               deviation = Tensor::from<float>({0.2F, 0.4F}, {1, 2, 1, 1});
  CHECK(relative_difference(run_onnx(graph, pixels),
                            evaluated(net, (pixels / 255 - mean) / deviation)) < 1e-6);
}

TEST_CASE("a network that passes its input on is a graph, too") {
  Identity net;
  const OnnxGraph graph = onnx_graph(net, {1, 2});
  CHECK(onnx_ops(graph) == Ops{"Identity"});
  CHECK(all_close(run_onnx(graph, Tensor::ones({3, 2})), Tensor::ones({3, 2})));
}

TEST_CASE("what has no graph is named") {
  Sequential net{std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{std::make_shared<ReLU>(), std::make_shared<Custom>()})};
  CHECK_THROWS_WITH_AS(
      onnx_graph(net, {1, 2}),
      "onnx: 0.1: expected modules that override add_to_onnx(), got Custom, which does not",
      ValueError);
  Custom custom;
  CHECK_THROWS_WITH_AS(
      onnx_graph(custom, {1, 2}),
      "onnx: network: expected modules that override add_to_onnx(), got Custom, which does not",
      ValueError);
  Linear linear(2, 3);
  CHECK_THROWS_WITH_AS(onnx_graph(linear, {2}),
                       "onnx: input_shape: expected [batch, channels, ...] of at least 1, got [2]",
                       ValueError);
  for (const OnnxOptions& options :
       {OnnxOptions{.mean = {1}}, OnnxOptions{.mean = {1}, .deviation = {1}},
        OnnxOptions{.mean = {1, 1}, .deviation = {1, 0}}}) {
    CHECK_THROWS_WITH_AS(
        onnx_graph(linear, {1, 2}, options),
        doctest::Contains(
            "onnx: normalisation: expected a mean and a positive deviation for each of 2 channels"),
        ValueError);
  }
  linear.to(DType::float64);
  CHECK_THROWS_WITH_AS(onnx_graph(linear, {1, 2}),
                       "onnx: weight: expected a network of float32, got float64", ValueError);
}
