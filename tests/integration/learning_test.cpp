#include <doctest/doctest.h>

#include <string>

#include "core/ops/cross_entropy.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "models/models.h"
#include "nn/init.h"
#include "train/evaluate.h"
#include "train/optim/sgd.h"

using namespace resgrad;

namespace {

struct Trained {
  double loss;
  double top1;  // percent, of the training batch in evaluation mode
};

constexpr int kBatch = 16;

struct Network {
  const char* name = "";
  ResNetConfig config;
  int steps = 0;
};

// Learns one batch by heart.
Trained overfit(const Network& network, Activation activation) {
  const auto data =
      std::make_shared<const data::Dataset>(data::make_synthetic(data::Split::train, kBatch, 0));
  data::Loader loader(data, {.batch_size = kBatch});
  loader.start_epoch(0);
  const data::Batch batch = *loader.next();
  ResNetConfig config = network.config;
  config.activation = activation;
  const init::InitScope scope(1);
  ResNet net(config);
  Sgd optimizer({{.parameters = net.named_parameters()}}, {.lr = 0.02, .momentum = 0.9});
  double last = 0;
  for (int step = 0; step < network.steps; ++step) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(net(batch.images), batch.labels);
    last = loss.item();
    loss.backward();
    optimizer.step();
  }
  return {last, evaluate(net, loader, 10).top1};
}

}  // namespace

TEST_CASE("networks of all families learn one batch by heart, in both orders") {
  const ResNetConfig grouped{.stem_channels = 16,
                             .block = BlockKind::bottleneck,
                             .blocks = {1, 1},
                             .channels = {32, 64},
                             .bottleneck_ratio = 2,
                             .groups = 4};
  for (const Network& network :
       {Network{"resnet20", models::configure("resnet20"), 80},
        Network{"resnet18",
                models::configure("resnet18", {.fields = {{"stem_channels", "16"},
                                                          {"channels", "16,32,64,128"}}}),
                60},
        Network{"a small ResNeXt", grouped, 120}}) {
    for (const Activation activation : {Activation::post, Activation::pre}) {
      const std::string what = fmt::format("{} {}", network.name, name(activation));
      CAPTURE(what);
      CHECK(overfit(network, activation).loss < 0.2);
    }
  }
}

TEST_CASE("a network that learnt a batch knows it in evaluation mode, too") {
  CHECK(overfit({"resnet20", models::configure("resnet20"), 100}, Activation::post).top1 > 90);
}
