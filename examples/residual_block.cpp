// A residual block by hand, y = relu(x + norm2(conv2(relu(norm1(conv1(x)))))), whose gradients are
// checked and which then learns to do what another block does.
//
// Shows  a module of one's own, its children and parameters, gradcheck() and a training loop.
#include <cstdio>

#include <resgrad/core/autograd/gradcheck.h>
#include <resgrad/core/ops/arithmetic.h>
#include <resgrad/core/ops/relu.h>
#include <resgrad/core/random.h>
#include <resgrad/nn/nn.h>
#include <resgrad/train/optim/sgd.h>

using namespace resgrad;

class Block final : public Module {
 public:
  explicit Block(std::int64_t channels)
      : conv1_(register_module("conv1", conv3x3(channels))),
        conv2_(register_module("conv2", conv3x3(channels))),
        norm1_(register_module("norm1", std::make_shared<BatchNorm2d>(channels))),
        norm2_(register_module("norm2", std::make_shared<BatchNorm2d>(channels))) {}
  std::string class_name() const override { return "Block"; }

 private:
  static std::shared_ptr<Conv2d> conv3x3(std::int64_t c) {
    return std::make_shared<Conv2d>(c, c, 3, Conv2dLayerOptions{.padding = 1, .bias = false});
  }
  Tensor forward(const Tensor& x) override {
    const Tensor inner = relu((*norm1_)((*conv1_)(x)));
    return relu(x + (*norm2_)((*conv2_)(inner)));  // x goes two ways: its gradients are added
  }
  std::shared_ptr<Conv2d> conv1_, conv2_;
  std::shared_ptr<BatchNorm2d> norm1_, norm2_;
};

int main() {
  Random random(1, Purpose::test);
  Block exact(2);
  exact.to(DType::float64);
  const Tensor small = Tensor::randn({2, 2, 5, 4}, random, DType::float64);
  const GradcheckResult check = gradcheck([&](const auto& in) { return exact(in[0]); }, {small});
  std::printf("gradcheck: %s\n", check.explain().c_str());

  Block block(8), teacher(8);
  const Tensor x = Tensor::randn({16, 8, 16, 16}, random).to(MemoryFormat::channels_last);
  const Tensor target = teacher(x).detach();
  Sgd optimizer(block.named_parameters(), {.lr = 0.2, .momentum = 0.9});
  double distance = 0;
  for (int step = 0; step <= 200; ++step) {
    optimizer.zero_grad();
    const Tensor loss = pow(block(x) - target, 2).mean();
    loss.backward();
    optimizer.step();
    distance = loss.item();
    if (step % 40 == 0) std::printf("step %3d: mean squared difference %.4f\n", step, distance);
  }
  return check.ok && distance < 0.1 ? 0 : 1;
}
