// Residual blocks, networks, training and summaries against PyTorch and torchinfo (tests/golden).
//
// Tolerances are relative to the largest stored magnitude (fingerprints: the norm). float64: 1e-10
// for blocks, 1e-9 for networks and ten steps of training; float32, with every convolution engine:
// 1e-4 for blocks, whose batch norms over few values amplify rounding, 1e-3 for ten steps. The
// logits of the trained network, in which all of that adds up, may be off by 5 times as much.
#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "core/ops/cross_entropy.h"
#include "models/models.h"
#include "nn/nn.h"
#include "tests/support/golden.h"
#include "tests/support/guards.h"
#include "train/make_optimizer.h"
#include "train/optim/schedule.h"

namespace resgrad {
namespace {

using golden::Json;

// ---- blocks -------------------------------------------------------------------------------------

ModulePtr make_downsample(const Json& kind, std::int64_t c_in, std::int64_t c_out,
                          std::int64_t stride) {
  if (kind.is_null()) return nullptr;
  if (kind == "zero_pad") return std::make_shared<ZeroPadShortcut>(c_in, c_out, stride);
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(c_in, c_out, 1, Conv2dLayerOptions{.stride = stride, .bias = false}),
      std::make_shared<BatchNorm2d>(c_out)});
}

template <class Block>
ModulePtr make_block(const Json& spec, std::int64_t c_in, std::int64_t c_out) {
  typename Block::Options options;
  options.stride = spec.value("stride", options.stride);
  options.groups = spec.value("groups", options.groups);
  options.bottleneck_ratio = spec.value("bottleneck_ratio", options.bottleneck_ratio);
  options.mid_channels = spec.value("mid_channels", options.mid_channels);
  options.stride_in_first = spec.value("stride_in_first", options.stride_in_first);
  if (spec.contains("activation")) {
    options.activation = models::parse_activation(spec.at("activation").get<std::string>());
  }
  options.downsample =
      make_downsample(spec.value("downsample", Json()), c_in, c_out, options.stride);
  return std::make_shared<Block>(c_in, c_out, options);
}

ModulePtr make_block(const Json& spec) {
  const auto c_in = spec.at("input").at(1).get<std::int64_t>();
  const auto c_out = spec.at("c_out").get<std::int64_t>();
  return spec.at("block") == "ResNetBlock" ? make_block<ResNetBlock>(spec, c_in, c_out)
                                           : make_block<ResNeXtBlock>(spec, c_in, c_out);
}

std::string block_differences(const std::string& name, const Json& spec, DType dtype,
                              MemoryFormat format, double tolerance) {
  const ModulePtr block = make_block(spec);
  block->to(dtype);
  golden::fill(*block, name);
  block->set_training(spec.at("train"));
  Tensor x = golden::draw(name, "x", spec.at("input").get<Shape>(), dtype, format);
  x.set_requires_grad();
  const Tensor y = (*block)(x);
  if (y.shape() != spec.at("shape").get<Shape>()) return name + ": wrong shape of the output\n";
  y.backward(golden::draw(name, "dy", y.shape(), dtype, format));
  const golden::Comparison compare{name, tolerance, spec.at("full")};
  return compare.difference("y", y, spec.at("y")) +
         compare.differences(golden::gradients(*block, x), spec.at("grads")) +
         compare.differences(block->named_buffers(), spec.at("buffers"));
}

std::string all_block_differences(const Json& cases, DType dtype, double tolerance) {
  std::string text;
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    for (const auto& [name, spec] : cases.items()) {
      text += block_differences(name, spec, dtype, format, tolerance);
    }
  }
  return text;
}

TEST_CASE("residual blocks of both orders compute what PyTorch computes") {
  const Json cases = golden::load_cases("blocks");
  REQUIRE(cases.size() >= 36);
  testing::for_each_isa([&](kernels::Isa isa) {
    CAPTURE(name(isa));
    CHECK_EQ(all_block_differences(cases, DType::float64, 1e-10), "");
    testing::for_each_conv2d_engine([&](std::string_view engine) {
      CAPTURE(engine);
      CHECK_EQ(all_block_differences(cases, DType::float32, 1e-4), "");
    });
  });
}

// ---- networks -----------------------------------------------------------------------------------

models::Options network_options(const Json& spec) {
  models::Options options;
  options.initialise = false;
  options.num_classes = spec.value("num_classes", options.num_classes);
  if (spec.contains("activation")) {
    options.activation = models::parse_activation(spec.at("activation").get<std::string>());
  }
  if (spec.contains("shortcut")) {
    options.shortcut = models::parse_shortcut(spec.at("shortcut").get<std::string>());
  }
  if (spec.contains("stem")) options.stem = models::parse_stem(spec.at("stem").get<std::string>());
  return options;
}

ModulePtr make_network(const Json& spec) {
  return models::make(spec.at("model").get<std::string>(), network_options(spec));
}

DType dtype_of_case(const Json& spec) {
  return spec.at("dtype") == "float32" ? DType::float32 : DType::float64;
}

ModulePtr make_filled_network(const std::string& name, const Json& spec) {
  ModulePtr net = make_network(spec);
  net->to(dtype_of_case(spec));
  golden::fill(*net, name);
  return net;
}

Tensor draw_images(const std::string& name, const Json& spec, const std::string& key) {
  return golden::draw(name, key, spec.at("input").get<Shape>(), dtype_of_case(spec),
                      MemoryFormat::channels_last);
}

Tensor draw_classes(const std::string& name, const Json& spec, const std::string& key) {
  return golden::draw_labels(name, key, spec.at("input").at(0).get<std::int64_t>(), 10);
}

/// The running statistics: buffers without the counters.
std::vector<NamedTensor> statistics(const Module& net) {
  std::vector<NamedTensor> buffers = net.named_buffers();
  std::erase_if(buffers, [](const NamedTensor& b) { return !is_floating(b.tensor.dtype()); });
  return buffers;
}

std::string evaluation_difference(Module& net, const golden::Comparison& elements, const Tensor& x,
                                  const Json& spec) {
  const NoGradGuard no_grad;
  net.eval();
  return elements.difference("eval_logits", net(x), spec.at("eval_logits"));
}

std::string network_differences(const std::string& name, const Json& spec, double tolerance) {
  const ModulePtr net = make_filled_network(name, spec);
  Tensor x = draw_images(name, spec, "x");
  x.set_requires_grad();
  const Tensor logits = (*net)(x);
  const Tensor loss =
      cross_entropy(logits, draw_classes(name, spec, "labels"), spec.at("label_smoothing"));
  loss.backward();
  const golden::Comparison elements{name, tolerance, true}, prints{name, tolerance, false};
  return elements.difference("logits", logits, spec.at("logits")) +
         elements.difference("loss", loss, Json::array({spec.at("loss")})) +
         prints.differences(golden::gradients(*net, x), spec.at("grads")) +
         prints.differences(statistics(*net), spec.at("buffers")) +
         evaluation_difference(*net, elements, x.detach(), spec);
}

TEST_CASE("networks compute PyTorch's logits, loss, gradients and running statistics") {
  const Json cases = golden::load_cases("networks");
  REQUIRE(cases.size() >= 9);
  for (const auto& [name, spec] : cases.items()) {
    CHECK_EQ(network_differences(name, spec, 1e-9), "");
  }
}

// ---- descriptions -------------------------------------------------------------------------------

TEST_CASE("networks by their fields have as many parameters as PyTorch's, in each part") {
  const Json cases = golden::load_cases("descriptions");
  REQUIRE(cases.size() >= 15);
  for (const auto& item : cases.items()) {
    const Json& spec = item.value();
    CAPTURE(item.key());
    const models::Fields fields = models::parse_fields(spec.at("network").get<std::string>());
    const auto net = models::make(models::configure("resnet20", {.fields = fields}), 0,
                                  /*initialise=*/false);
    CHECK(net->parameter_count() == spec.at("parameters").get<std::int64_t>());
    Json children;
    for (const auto& [child_name, child] : net->children()) {
      if (child->parameter_count() > 0) children[child_name] = child->parameter_count();
    }
    CHECK(children == spec.at("children"));
  }
}

// ---- training -----------------------------------------------------------------------------------

RunOptions optimizer_options(const Json& spec) {
  RunOptions o;
  o.lr = spec.at("lr");
  o.weight_decay = spec.at("weight_decay");
  o.optimizer = spec.value("optimizer", o.optimizer);
  if (o.optimizer == "adamw") {
    o.beta1 = spec.at("betas").at(0);
    o.beta2 = spec.at("betas").at(1);
    o.eps = spec.at("eps");
  } else {
    o.momentum = spec.at("momentum");
    o.nesterov = spec.at("nesterov");
  }
  return o;
}

std::string training_differences(const std::string& name, const Json& spec, double tolerance) {
  const ModulePtr net = make_filled_network(name, spec);
  const std::unique_ptr<Optimizer> optimizer =
      make_optimizer(net->named_parameters(), optimizer_options(spec));
  const golden::Comparison elements{name, tolerance, true}, prints{name, tolerance, false};
  const golden::Comparison evaluated{name, 5 * tolerance, true};
  std::string text;
  for (int step = 0; step < spec.at("steps").get<int>(); ++step) {
    if (spec.value("onecycle", false)) {
      const ScheduleOptions schedule{
          .name = "onecycle", .base_lr = spec.at("lr"), .total_steps = spec.at("steps")};
      optimizer->set_lr(learning_rate(schedule, step));
      optimizer->set_momentum(momentum(schedule, step));
    }
    net->zero_grad();
    const Tensor logits = (*net)(draw_images(name, spec, fmt::format("x.{}", step)));
    const Tensor loss =
        cross_entropy(logits, draw_classes(name, spec, fmt::format("labels.{}", step)));
    loss.backward();
    optimizer->step();
    text +=
        elements.difference(fmt::format("loss of step {}", step), loss,
                            Json::array({spec.at("losses").at(static_cast<std::size_t>(step))}));
  }
  return text + prints.differences(net->named_parameters(), spec.at("parameters")) +
         prints.differences(statistics(*net), spec.at("buffers")) +
         evaluation_difference(*net, evaluated, draw_images(name, spec, "x.eval"), spec);
}

TEST_CASE("ten steps of training follow PyTorch's") {
  const Json cases = golden::load_cases("training");
  REQUIRE(cases.size() >= 7);
  for (const auto& item : cases.items()) {  // clang 14 cannot capture structured bindings
    const Json& spec = item.value();
    if (dtype_of_case(spec) == DType::float64) {
      CHECK_EQ(training_differences(item.key(), spec, 1e-9), "");
      continue;
    }
    testing::for_each_conv2d_engine([&](std::string_view engine) {
      CAPTURE(engine);
      CHECK_EQ(training_differences(item.key(), spec, 1e-3), "");
    });
  }
}

// ---- summaries ----------------------------------------------------------------------------------

TEST_CASE("summaries equal torchinfo's character for character") {
  const Json index = Json::parse(golden::read_text("summary/index.json"));
  REQUIRE(index.size() >= 22);
  for (const auto& item : index.items()) {  // clang 14 cannot capture structured bindings
    const std::string& file = item.key();
    const Json& spec = item.value();
    CAPTURE(file);
    const ModulePtr module = spec.contains("block") ? make_block(spec) : make_network(spec);
    const std::string table =
        summary(*module, spec.at("input").get<Shape>(), {.depth = spec.at("depth")});
    CHECK_EQ(table, golden::read_text(fmt::format("summary/{}.txt", file)));
  }
}

}  // namespace
}  // namespace resgrad
