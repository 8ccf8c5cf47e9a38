// A network of one's own, trained on data of one's own: which quarter of a noisy image is brighter?
//
// Shows  a data set made in memory, the loader, a Sequential, a training loop and evaluation.
#include <cstdio>

#include <resgrad/core/random.h>
#include <resgrad/data/loader.h>
#include <resgrad/nn/nn.h>
#include <resgrad/train/evaluate.h>
#include <resgrad/train/optim/sgd.h>
#include <resgrad/train/step.h>

using namespace resgrad;

std::shared_ptr<data::Dataset> make_images(std::int64_t count, std::uint64_t seed) {
  constexpr int kSize = 16;
  auto set = std::make_shared<data::Dataset>(
      data::Dataset{.name = "quarters", .height = kSize, .width = kSize, .num_classes = 4});
  for (std::int64_t n = 0; n < count; ++n) {
    Random random(seed, Purpose::synthetic, 0, static_cast<std::uint64_t>(n));
    set->labels.push_back(static_cast<std::uint8_t>(n % 4));
    for (int i = 0; i < 3 * kSize * kSize; ++i) {  // planes R, G, B
      const int y = i / kSize % kSize, x = i % kSize;
      const bool bright = y / (kSize / 2) * 2 + x / (kSize / 2) == n % 4;
      const double level = random.uniform(0, 200) + (bright ? 15 : 0);
      set->images.push_back(static_cast<std::uint8_t>(level));
    }
  }
  return set;
}

int main() {
  const auto images = make_images(1024, 1), unseen = make_images(256, 2);
  const data::Normalisation normalisation = data::measure_normalisation(*images);
  data::Loader train(images, {.batch_size = 32, .shuffle = true, .normalisation = normalisation});
  data::Loader test(unseen, {.batch_size = 64, .normalisation = normalisation});

  const init::InitScope weights(1);  // a function of this seed
  Sequential net{std::make_shared<Conv2d>(3, 8, 3, Conv2dLayerOptions{.stride = 2, .padding = 1}),
                 std::make_shared<BatchNorm2d>(8),
                 std::make_shared<ReLU>(),
                 std::make_shared<AvgPool2d>(Pool2dOptions{.kernel = 4}),
                 std::make_shared<Flatten>(),
                 std::make_shared<Linear>(8 * 2 * 2, 4)};
  Sgd optimizer(net.named_parameters(), {.momentum = 0.9, .weight_decay = 1e-4});
  TrainStep step(net, optimizer);  // forward, loss, backward, update
  double accuracy = 0;
  for (int epoch = 0; epoch < 4; ++epoch) {
    optimizer.set_lr(0.05 * (4 - epoch) / 4);
    train.start_epoch(epoch);
    while (const auto batch = train.next()) step(*batch);
    const Evaluation result = evaluate(net, test, images->num_classes);
    accuracy = result.top1;
    std::printf("epoch %d: test loss %.3f, accuracy %.1f %%\n", epoch + 1, result.loss, accuracy);
  }
  return accuracy > 90 ? 0 : 1;
}
