// Uses something of each installed layer, and of each library that these link.
#include <cmath>
#include <cstdio>

#include "core/kernels/blas.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "models/models.h"
#include "models/summary.h"
#include "nn/loss.h"
#include "train/io/safetensors.h"
#include "train/log/logging.h"
#include "train/optim/sgd.h"
#include "train/version.h"

using namespace resgrad;

int main() {
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
