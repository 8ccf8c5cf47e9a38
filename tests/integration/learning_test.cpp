#include <doctest/doctest.h>

#include "core/ops/cross_entropy.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "models/models.h"
#include "train/evaluate.h"
#include "train/sgd.h"

using namespace resgrad;

namespace {

struct Trained {
  double loss;
  double top1;  // percent, of the training batch in evaluation mode
};

// Learns one batch by heart.
Trained overfit(const char* model, Activation activation, int steps) {
  const auto data =
      std::make_shared<const data::Dataset>(data::make_synthetic(data::Split::train, 32, 0));
  data::Loader loader(data, {.batch_size = 32});
  loader.start_epoch(0);
  const data::Batch batch = *loader.next();
  const auto net = models::make(model, {.activation = activation});
  Sgd optimizer({{.parameters = net->named_parameters()}}, {.lr = 0.05, .momentum = 0.9});
  double last = 0;
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy((*net)(batch.images), batch.labels);
    last = loss.item();
    loss.backward();
    optimizer.step();
  }
  return {last, evaluate(*net, loader, 10).top1};
}

}  // namespace

TEST_CASE("networks of all families learn one batch by heart, in both orders") {
  for (const char* model : {"resnet20", "resnet18", "resnext29_32x4d"}) {
    for (const Activation activation : {Activation::post, Activation::pre}) {
      const int steps = model == std::string("resnet20") ? 60 : 30;
      const Trained trained = overfit(model, activation, steps);
      CAPTURE(model);
      CAPTURE(name(activation));
      CHECK(trained.loss < 0.1);
    }
  }
}

TEST_CASE("a network that learnt a batch knows it in evaluation mode, too") {
  CHECK(overfit("resnet20", Activation::post, 100).top1 > 90);
}
