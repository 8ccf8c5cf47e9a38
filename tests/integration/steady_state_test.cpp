#include <doctest/doctest.h>

#include "core/allocator.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "models/models.h"
#include "nn/loss.h"
#include "train/optim/sgd.h"

using namespace resgrad;

// Training steps as the trainer makes them, with a loader at work beside.
TEST_CASE("after the second training step no further memory is mapped") {
  for (const char* model : {"resnet20", "preact_resnet20", "resnet50"}) {
    const auto data =
        std::make_shared<const data::Dataset>(data::make_synthetic(data::Split::train, 24, 0));
    data::Loader loader(data,
                        {.batch_size = 4, .shuffle = true, .augment = data::AugmentOptions{}});
    loader.start_epoch(0);
    const auto net = models::make(model);
    Sgd optimizer({{.parameters = net->named_parameters()}}, {.lr = 0.01, .momentum = 0.9});
    const CrossEntropyLoss loss;
    std::uint64_t calls_after_second = 0;
    int step = 0;
    while (const auto batch = loader.next()) {
      optimizer.zero_grad();
      loss((*net)(batch->images), batch->labels).backward();
      optimizer.step();
      ++step;
      if (step == 2) calls_after_second = allocator_stats().system_calls;
    }
    CAPTURE(model);
    CHECK(step == 6);

    CHECK(allocator_stats().system_calls == calls_after_second);
  }
}
