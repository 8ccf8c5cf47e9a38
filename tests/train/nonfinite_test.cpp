#include "train/nonfinite.h"

#include <doctest/doctest.h>

#include <cmath>

#include "nn/loss.h"
#include "nn/nn.h"
#include "tests/train/tiny_run.h"

using namespace resgrad;

namespace {

Tensor find(const std::vector<NamedTensor>& tensors, std::string_view name) {
  for (const NamedTensor& t : tensors) {
    if (t.name == name) return t.tensor;
  }
  throw std::runtime_error("no such tensor");
}

// The gradients of one batch.
void run_backward(Module& net) {
  const Tensor labels = Tensor::from<std::int64_t>({1, 2}, {2});
  CrossEntropyLoss()(net(Tensor::ones({2, 3, 8, 8})), labels).backward();
}

}  // namespace

TEST_CASE("gradients are looked through") {
  const auto net = tiny_net();
  const auto parameters = net->named_parameters();
  CHECK(gradients_are_finite(parameters));  // there are none
  run_backward(*net);
  CHECK(gradients_are_finite(parameters));
  for (const NamedTensor& p : parameters) {
    CAPTURE(p.name);
    Tensor gradient = p.tensor.grad();
    float& last = gradient.data<float>()[gradient.numel() - 1];
    const float before = last;
    last = std::nanf("");
    CHECK_FALSE(gradients_are_finite(parameters));
    last = before;
  }
  CHECK(gradients_are_finite(parameters));
}

TEST_CASE("a bad gradient is named by the layer nearest to the output") {
  const auto net = tiny_net();
  run_backward(*net);
  const auto parameters = net->named_parameters();
  Tensor head = find(parameters, "fc.weight").grad();
  head.data<float>()[3] = std::nanf("");
  head.data<float>()[4] = INFINITY;
  parameters.front().tensor.grad().data<float>()[0] = INFINITY;
  CHECK(
      describe_nonfinite(*net, Tensor::ones({2, 3, 8, 8}), 1.0) ==
      "gradient of layer fc (Linear), tensor weight: float32 [10, 8] with 1 NaN and 1 infinite of "
      "80 values");
}

TEST_CASE("a bad loss is traced to the images, a parameter or the output of a layer") {
  const auto net = tiny_net();
  Tensor images = Tensor::ones({1, 3, 8, 8});
  images.data<float>()[5] = INFINITY;
  CHECK(describe_nonfinite(*net, images, INFINITY) ==
        "tensor images of the batch: float32 [1, 3, 8, 8] with 0 NaN and 1 infinite of 192 values");

  images = Tensor::ones({1, 3, 8, 8});
  Tensor weight = find(net->named_parameters(), "fc.weight");
  const float before = weight.data<float>()[0];
  weight.data<float>()[0] = std::nanf("");
  CHECK(describe_nonfinite(*net, images, NAN).starts_with("layer fc (Linear), tensor weight: "));
  weight.data<float>()[0] = before;

  // finite weights whose products are not
  Sequential layers(
      {std::make_shared<ReLU>(), std::make_shared<Flatten>(), std::make_shared<Linear>(192, 2)});
  const NamedTensor linear = layers.named_parameters().front();
  for (std::int64_t i = 0; i < linear.tensor.numel(); ++i) {
    Tensor(linear.tensor).data<float>()[i] = 3e38F;
  }
  CHECK(describe_nonfinite(layers, images, INFINITY) ==
        "layer 2 (Linear), tensor output: float32 [1, 2] with 0 NaN and 2 infinite of 2 values");
  CHECK(describe_nonfinite(*net, images, NAN) ==
        "the loss function, from finite outputs of the network");
}
