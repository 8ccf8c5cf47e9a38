#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/grad_mode.h"
#include "models/models.h"
#include "nn/nn.h"
#include "tests/support/compare.h"
#include "tests/support/guards.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

// Statistics and factors of norms as a training leaves them, none at its initial value.
void unsettle(Module& net) {
  std::uint64_t seed = 100;
  net.apply([&seed](Module& module) {
    if (dynamic_cast<BatchNorm2d*>(&module) == nullptr) return;
    for (const NamedTensor& t : module.state_dict()) {
      if (t.tensor.dtype() != DType::float32) continue;
      Tensor to = t.tensor.detach();
      const Tensor noise = random_tensor(to.shape(), ++seed, DType::float32);
      const bool centred = t.name == "bias" || t.name == "running_mean";
      for (std::int64_t i = 0; i < to.numel(); ++i) {
        to.data<float>()[i] = (centred ? 0.0F : 1.0F) + 0.3F * noise.data<float>()[i];
      }
      to.bump_version();
    }
  });
}

// The largest difference, as a share of the largest value.
double difference(const Tensor& got, const Tensor& want) {
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  REQUIRE(a.size() == b.size());
  double error = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error = std::isnan(a[i]) ? INFINITY : std::max(error, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return error / scale;
}

Tensor images(std::int64_t n, std::int64_t size = 32) {
  return random_tensor({n, 3, size, size}, 5, DType::float32, kChannelsLast);
}

void check_network(Module& net, const Tensor& x) {
  unsettle(net);
  InferenceNet inference = prepare_inference(net);
  const NoGradGuard no_grad;
  const Tensor want = net(x), got = inference(x);
  CHECK(difference(got, want) <= 1e-5);
  CHECK(bit_equal(inference(x), got));
  const ThreadsGuard guard(3);
  CHECK(bit_equal(inference(x), got));
}

}  // namespace

TEST_CASE("inference gives the logits of the network: the smaller networks of the registry") {
  for (const auto& name : models::names()) {
    const auto net = models::make(name);
    if (net->parameter_count() > 3'000'000) continue;
    CAPTURE(name);
    check_network(*net, images(2));
  }
}

TEST_CASE("inference gives the logits of the network: described ones") {
  using models::Fields;
  const Fields described[] = {
      {{"activation", "pre"}},
      {{"activation", "pre"}, {"shortcut", "B"}, {"activated_shortcut", "on"}},
      {{"activation", "pre"}, {"final_norm", "off"}, {"transition", "pool"}},
      {{"transition", "pool"}, {"pool", "max"}, {"whiten_stem", "on"}, {"logit_scale", "0.125"}},
      {{"block", "single"}, {"shortcut", "B"}},
      {{"block", "bottleneck"}, {"groups", "2"}, {"channels", "64,128,128"}, {"drop_path", "0.2"}},
      {{"block", "bottleneck"}, {"activation", "pre"}, {"stem", "imagenet"}, {"shortcut", "B"}}};
  for (const Fields& fields : described) {
    std::string all;
    for (const auto& [name, value] : fields) all += name + "=" + value + " ";
    CAPTURE(all);
    Fields small = fields;
    small.emplace("blocks", "1,1,1");
    const auto net = models::make("resnet20", {.fields = small});
    check_network(*net, images(2));
    check_network(*net, images(1, 20));
  }
}

TEST_CASE("inference gives the logits of the network under every instruction set and engine") {
  const auto net = models::make("resnet20", {.fields = {{"blocks", "1,1,1"}, {"shortcut", "B"}}});
  for_each_conv2d_engine([&](std::string_view) {
    for_each_isa([&](kernels::Isa) { check_network(*net, images(2, 12)); });
  });
}
