// Uses something of each installed layer, and of each library that these link.
#include <cmath>
#include <cstdio>

#include <resgrad/core/kernels/blas.h>
#include <resgrad/data/image.h>
#include <resgrad/data/loader.h>
#include <resgrad/data/synthetic.h>
#include <resgrad/models/models.h>
#include <resgrad/models/summary.h>
#include <resgrad/nn/loss.h>
#include <resgrad/train/io/safetensors.h>
#include <resgrad/train/log/logging.h>
#include <resgrad/train/optim/sgd.h>
#include <resgrad/train/version.h>

using namespace resgrad;

int use_everything() {
  const auto net = models::make("resnet20", {.seed = 1});
  auto images = std::make_shared<data::Dataset>(data::make_synthetic(data::Split::train, 8, 1));
  data::Loader loader(images, {.batch_size = 8});
  loader.start_epoch(0);
  const data::Batch batch = loader.next().value();

  Sgd optimizer(net->named_parameters(), {.lr = 0.05});
  const Tensor loss = CrossEntropyLoss()((*net)(batch.images), batch.labels);
  loss.backward();
  optimizer.step();

  const std::vector<std::byte> weights = serialise_safetensors({.tensors = net->state_dict()});
  const bool same =
      parse_safetensors(weights, "weights").tensors.size() == net->state_dict().size();

  bool refused = false;
  try {
    data::decode_image(weights, "weights");
  } catch (const IoError& error) {
    refused = true;
    make_run_logger(".", false)->info("no image, as it should be: {}", error.what());
  }
  std::printf("resgrad %s on %s: loss %.3f\n", kVersion, kernels::blas_config(), loss.item());
  return same && refused && std::isfinite(loss.item()) ? 0 : 1;
}
