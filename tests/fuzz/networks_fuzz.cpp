// A random small network and batch, made of the input's bytes: with each convolution engine it
// computes what it does with the reference engine, prepared for inference too. Norms use their
// running statistics, since those of a few equal values would amplify rounding. Logits are
// continuous; gradients are not, where rounding moves a value across the corner of a ReLU: they may
// differ a little more.
#include <cmath>

#include "core/kernels/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "models/registry.h"
#include "nn/inference.h"
#include "tests/fuzz/support.h"
#include "tests/support/random_tensor.h"

using namespace resgrad;
using namespace resgrad::fuzz;

namespace {

struct Results {
  std::vector<float> logits, gradients;
};

Results run(std::string_view engine, ResNet& net, const Tensor& x, const Tensor& labels) {
  kernels::set_conv2d_engine(engine);
  net.zero_grad();
  const Tensor logits = net(x);
  cross_entropy(logits, labels).backward();
  Results results{logits.to_vector<float>(), {}};
  for (const auto& p : net.named_parameters()) {
    const auto values = p.tensor.grad().to_vector<float>();
    results.gradients.insert(results.gradients.end(), values.begin(), values.end());
  }
  return results;
}

// The norm of the difference as a share of the norm of b.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(double{a[i]} - double{b[i]}, 2), size += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(difference / (size + 1e-12));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 12) return 0;
  constexpr std::int64_t kWidths[] = {8, 16, 20, 32, 48, 64};
  std::size_t at = 0;
  const auto draw = [&](std::int64_t count) { return data[at++] % count; };
  ResNetConfig config;
  config.stem = draw(4) == 0 ? Stem::imagenet : Stem::cifar;
  config.block = draw(2) == 0 ? BlockKind::basic : BlockKind::bottleneck;
  config.groups = config.block == BlockKind::basic ? 1 : std::int64_t{1} << draw(4);
  config.activation = draw(2) == 0 ? Activation::post : Activation::pre;
  config.stem_channels = kWidths[draw(6)];
  config.channels = {kWidths[draw(6)], kWidths[draw(6)]};
  config.blocks = {1, 1};
  config.bottleneck_ratio = 1 + draw(2);
  config.transition = draw(4) == 0 ? Transition::pool : Transition::stride;
  const Shape shape = {1 + draw(3), 3, 8 + draw(9), 8 + draw(9)};
  std::shared_ptr<ResNet> net;
  if (!accepts([&] { net = models::make(config, data[0]); })) return 0;
  net->eval();
  const Tensor x =
      testing::random_tensor(shape, data[1], DType::float32,
                             data[0] & 1 ? MemoryFormat::channels_last : MemoryFormat::contiguous);
  Tensor labels = Tensor::zeros({shape[0]}, DType::int64);
  for (std::int64_t i = 0; i < shape[0]; ++i) labels.data<std::int64_t>()[i] = i;
  Results expected;  // images may be too small for the poolings
  if (!accepts([&] { expected = run("reference", *net, x, labels); })) return 0;
  InferenceNet prepared = prepare_inference(*net);
  for (const std::string_view engine : kernels::conv2d_engine_names()) {
    const Results results = run(engine, *net, x, labels);
    expect(difference(results.logits, expected.logits) < 1e-3, "engines give the same logits");
    expect(difference(prepared(x).to_vector<float>(), expected.logits) < 1e-3,
           "a prepared network gives the same logits");
    expect(difference(results.gradients, expected.gradients) < 0.1,
           "engines give the same gradients");
  }
  return 0;
}
