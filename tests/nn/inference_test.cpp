#include "nn/inference.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

Tensor images() {
  return random_tensor({2, 16, 7, 6}, 5, DType::float32, kChannelsLast);
}

ModulePtr conv(bool bias) {
  return std::make_shared<Conv2d>(16, 16, 3, Conv2dLayerOptions{.padding = 1, .bias = bias});
}

struct Net {
  std::shared_ptr<BatchNorm2d> norm = std::make_shared<BatchNorm2d>(16);
  ModulePtr first = conv(true);
  std::shared_ptr<Sequential> all = std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{first, norm, std::make_shared<ReLU>(), conv(false)});
};

Tensor plain(Module& net, const Tensor& x) {
  const NoGradGuard no_grad;
  return net(x);
}

struct CountCalls final : CallObserver {
  void enter(const Module&, const Tensor&) override { ++calls; }
  void leave(const Module&, const Tensor&) override {}
  int calls = 0;
};

}  // namespace

TEST_CASE("weights and statistics that change are taken up") {
  Net net;
  InferenceNet inference = prepare_inference(*net.all);
  CHECK_FALSE(net.all->is_training());
  CHECK(inference.bytes() == 0);
  std::vector<double> seen;
  for (const NamedTensor& t : net.all->state_dict()) {
    if (t.tensor.dtype() != DType::float32) continue;
    CAPTURE(t.name);
    const Tensor before = inference(images());
    const std::size_t bytes = inference.bytes();
    Tensor(t.tensor).detach().copy_(random_tensor(t.tensor.shape(), 9, DType::float32) *
                                    random_tensor(t.tensor.shape(), 9, DType::float32));
    const Tensor after = inference(images());
    CHECK_FALSE(bit_equal(after, before));
    CHECK(all_close(after, plain(*net.all, images()), 1e-4));
    CHECK(inference.bytes() == bytes);
  }
  net.all->load_state_dict(Net().all->state_dict());
  CHECK(all_close(inference(images()), plain(*net.all, images()), 1e-4));
}

TEST_CASE("inference records nothing, and leaves the layers as they are") {
  Net net;
  InferenceNet inference = prepare_inference(*net.all);
  Tensor x = images();
  x.set_requires_grad();
  CHECK_FALSE(inference(x).requires_grad());
  CHECK((*net.all)(x).requires_grad());
  CHECK(PreparedLayers::active() == nullptr);
}

TEST_CASE("a norm in train mode counts and uses its batch, as without preparation") {
  Net net, same;
  same.all->load_state_dict(net.all->state_dict());
  InferenceNet inference = prepare_inference(*net.all);
  same.all->eval();
  net.norm->train(), same.norm->train();
  CHECK(all_close(inference(images()), plain(*same.all, images()), 1e-5));
  const auto a = net.all->state_dict(), b = same.all->state_dict();
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].name);
    CHECK(bit_equal(a[i].tensor, b[i].tensor));
  }
}

TEST_CASE("float64 and observed calls run as without preparation") {
  Net net;
  InferenceNet inference = prepare_inference(*net.all);
  {
    CountCalls observer;
    const Tensor y = inference(images());
    CHECK(observer.calls == 5);
    CHECK(inference.bytes() == 0);
    CHECK(bit_equal(y, plain(*net.all, images())));
  }
  net.all->to(DType::float64);
  const Tensor x = random_tensor({1, 16, 5, 4}, 5, DType::float64, kChannelsLast);
  CHECK(bit_equal(inference(x), plain(*net.all, x)));
  CHECK(inference.bytes() == 0);
}

TEST_CASE("a norm that does not fit its convolution is an error, as without preparation") {
  const auto norm = [](std::int64_t channels) { return std::make_shared<BatchNorm2d>(channels); };
  for (const ModulePtr& misfit :
       {ModulePtr(
            std::make_shared<Sequential>(std::initializer_list<ModulePtr>{conv(true), norm(8)})),
        ModulePtr(std::make_shared<Sequential>(
            std::initializer_list<ModulePtr>{norm(8), std::make_shared<ReLU>(), conv(true)}))}) {
    InferenceNet inference = prepare_inference(*misfit);
    CHECK_THROWS_AS(inference(images()), ShapeError);
    CHECK_THROWS_AS(plain(*misfit, images()), ShapeError);
    CHECK(inference.bytes() == 0);
  }
}

TEST_CASE("a layer that cannot be prepared leaves nothing behind") {
  const ModulePtr layer = conv(true);
  const auto net = std::make_shared<Sequential>(std::initializer_list<ModulePtr>{layer});
  InferenceNet inference = prepare_inference(*net);
  inference(images());
  const std::size_t bytes = inference.bytes();
  net->to(DType::float64);
  CHECK_THROWS_AS(inference(images()), ValueError);
  CHECK(inference.bytes() == bytes);
}
