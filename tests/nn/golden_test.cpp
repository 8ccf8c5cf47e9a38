// Every layer and loss against PyTorch (tests/golden/layers.json): output, gradients, buffers.
//
// Tolerances are relative to the largest stored magnitude (fingerprints: the norm). float64: 1e-11,
// the two sides add in different orders. float32, under every instruction set and convolution
// engine: 3e-6, and 1e-5 for convolutions, whose Winograd form rounds more.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/ops/cross_entropy.h"
#include "nn/nn.h"
#include "tests/support/golden.h"
#include "tests/support/guards.h"

namespace resgrad {
namespace {

using golden::Json;

class LogSoftmax final : public Module {
 public:
  std::string class_name() const override { return "LogSoftmax"; }

 private:
  Tensor forward(const Tensor& x) override { return log_softmax(x); }
};

Pair2d pair(const Json& spec, const char* key) {
  return {spec.at(key).at(0).get<std::int64_t>(), spec.at(key).at(1).get<std::int64_t>()};
}

ModulePtr make_layer(const Json& spec) {
  const auto layer = spec.at("layer").get<std::string>();
  const auto c_in = spec.at("input").at(1).get<std::int64_t>();
  if (layer == "Conv2d") {
    return std::make_shared<Conv2d>(c_in, spec.at("c_out").get<std::int64_t>(),
                                    pair(spec, "kernel"),
                                    Conv2dLayerOptions{.stride = pair(spec, "stride"),
                                                       .padding = pair(spec, "padding"),
                                                       .dilation = pair(spec, "dilation"),
                                                       .groups = spec.at("groups"),
                                                       .bias = spec.at("bias")});
  }
  if (layer == "MaxPool2d" || layer == "AvgPool2d") {
    const Pool2dOptions options{.kernel = pair(spec, "kernel"),
                                .stride = pair(spec, "stride"),
                                .padding = pair(spec, "padding")};
    if (layer == "MaxPool2d") return std::make_shared<MaxPool2d>(options);
    return std::make_shared<AvgPool2d>(options);
  }
  if (layer == "BatchNorm2d") return std::make_shared<BatchNorm2d>(c_in);
  if (layer == "Linear") {
    return std::make_shared<Linear>(c_in, spec.at("c_out").get<std::int64_t>());
  }
  if (layer == "ReLU") return std::make_shared<ReLU>();
  if (layer == "AdaptiveAvgPool2d") return std::make_shared<GlobalAvgPool2d>();
  if (layer == "LogSoftmax") return std::make_shared<LogSoftmax>();
  throw ValueError("golden: unknown layer " + layer);
}

std::string layer_differences(const std::string& name, const Json& spec, DType dtype,
                              MemoryFormat format, double tolerance) {
  const auto shape = spec.at("input").get<Shape>();
  const ModulePtr layer = make_layer(spec);
  layer->to(dtype);
  golden::fill(*layer, name);
  layer->set_training(spec.at("train"));
  Tensor x = golden::draw(name, "x", shape, dtype, format);
  x.set_requires_grad();
  const Tensor y = (*layer)(x);
  if (y.shape() != spec.at("shape").get<Shape>()) return name + ": wrong shape of the output\n";
  y.backward(golden::draw(name, "dy", y.shape(), dtype, y.memory_format()));
  const golden::Comparison compare{name, tolerance, spec.at("full")};
  return compare.difference("y", y, spec.at("y")) +
         compare.differences(golden::gradients(*layer, x), spec.at("grads")) +
         compare.differences(layer->named_buffers(), spec.at("buffers"));
}

std::string loss_differences(const std::string& name, const Json& spec, DType dtype,
                             double tolerance) {
  const auto shape = spec.at("input").get<Shape>();
  std::vector<double> values = golden::draw(name, "x", shape).to_vector<double>();
  for (double& v : values) v *= spec.at("scale").get<double>();
  Tensor x = Tensor::from(values, shape).to(dtype);
  x.set_requires_grad();
  const CrossEntropyLoss criterion(spec.at("label_smoothing").get<double>());
  const Tensor loss = criterion(x, golden::draw_labels(name, "labels", shape[0], shape[1]));
  loss.backward();
  const golden::Comparison compare{name, tolerance, true};
  return compare.difference("y", loss, spec.at("y")) +
         compare.differences({{"x", x.grad()}}, spec.at("grads"));
}

std::string all_differences(const Json& cases, DType dtype) {
  std::string text;
  for (const auto& [name, spec] : cases.items()) {
    const bool conv = spec.at("layer") == "Conv2d";
    const double tolerance = dtype == DType::float64 ? 1e-11 : conv ? 1e-5 : 3e-6;
    if (spec.at("layer") == "CrossEntropyLoss") {
      // a logit of size s is itself rounded by up to s * 6e-8 in float32
      const double logits = dtype == DType::float64 ? 0 : 1e-7 * spec.at("scale").get<double>();
      text += loss_differences(name, spec, dtype, std::max(tolerance, logits));
      continue;
    }
    text += layer_differences(name, spec, dtype, MemoryFormat::contiguous, tolerance);
    if (spec.at("input").size() == 4) {
      text += layer_differences(name, spec, dtype, MemoryFormat::channels_last, tolerance);
    }
  }
  return text;
}

TEST_CASE("layers and losses compute what PyTorch computes") {
  const Json cases = golden::load_cases("layers");
  REQUIRE(cases.size() >= 30);
  testing::for_each_isa([&](kernels::Isa isa) {
    CAPTURE(name(isa));
    CHECK_EQ(all_differences(cases, DType::float64), "");
    testing::for_each_conv2d_engine([&](std::string_view engine) {
      CAPTURE(engine);
      CHECK_EQ(all_differences(cases, DType::float32), "");
    });
  });
}

// A test that cannot fail proves nothing: the comparison itself must see a wrong element.
TEST_CASE("the comparison with golden values names the worst element") {
  const golden::Comparison full{"case", 1e-9, true}, print{"case", 1e-9, false};
  const Tensor t = Tensor::from<double>({1, 2, 3}, {3});
  CHECK_EQ(full.difference("t", t, Json({1, 2, 3})), "");
  CHECK_EQ(full.difference("t", t, Json({1, 2, 4})),
           "case: t: element 2: expected 4, got 3, off by 2.50e-01 of 4.00e+00\n");
  CHECK_NE(full.difference("t", t, Json({1, 2})), "");
  CHECK_NE(full.difference("t", {}, Json({1, 2, 3})), "");
  CHECK_NE(full.difference("t", Tensor::from<double>({1, 2, std::nan("")}, {3}), Json({1, 2, 3})),
           "");
  CHECK_NE(print.difference("t", t, Json({3.7416573867739413, 0, 0})), "");
  CHECK_NE(full.differences({{"a", t}}, {{"b", {1, 2, 3}}}), "");
}

}  // namespace
}  // namespace resgrad
