#include "train/step.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd/grad_mode.h"
#include "nn/nn.h"
#include "tests/train/tiny_run.h"
#include "train/evaluate.h"
#include "train/optim/adamw.h"
#include "train/optim/sgd.h"
#include "train/run_data.h"

using namespace resgrad;

namespace {

data::Batch batch_of(std::int64_t images, std::int64_t first = 0) {
  const auto data = tiny_data(first + images);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = first; i < first + images; ++i) indices.push_back(i);
  data::Loader loader(std::make_shared<const data::Dataset>(data::subset(*data, indices)),
                      {.batch_size = images, .normalisation = data::normalisation("synthetic")});
  loader.start_epoch(0);
  return loader.next().value();
}

std::vector<std::vector<double>> values_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::vector<double>> values;
  for (const NamedTensor& t : tensors) values.push_back(t.tensor.to_vector<double>());
  return values;
}

double distance(const std::vector<std::vector<double>>& a,
                const std::vector<std::vector<double>>& b) {
  REQUIRE(a.size() == b.size());
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) squares += std::pow(a[i][j] - b[i][j], 2);
  }
  return std::sqrt(squares);
}

// No norms: the gradient of a batch is the mean of those of its images.
std::shared_ptr<Sequential> plain_net() {
  const init::InitScope scope(1);
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 4}), std::make_shared<ReLU>(),
      std::make_shared<Flatten>(), std::make_shared<Linear>(256, 10)});
}

// A network whose third batch makes NaN, in training, or one that lets everything through.
std::shared_ptr<Sequential> net_with_bomb(bool armed) {
  class Bomb final : public Module {
   public:
    explicit Bomb(bool armed) : armed_(armed) {}
    std::string class_name() const override { return "Bomb"; }

   private:
    Tensor forward(const Tensor& x) override {
      const bool explode = armed_ && is_training() && ++calls_ == 3;
      return explode ? Tensor::full(x.shape(), std::nan("")) : x;
    }
    bool armed_;
    int calls_ = 0;
  };
  const init::InitScope scope(1);
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Bomb>(armed),
      std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 8}),
      std::make_shared<BatchNorm2d>(4), std::make_shared<Flatten>(),
      std::make_shared<Linear>(64, 10)});
}

std::unique_ptr<Optimizer> make(std::string_view name, const Module& net) {
  if (name == "adamw") return std::make_unique<Adamw>(net.named_parameters());
  return std::make_unique<Sgd>(net.named_parameters(), SgdOptions{.lr = 0.1, .momentum = 0.9});
}

}  // namespace

TEST_CASE("a step is forward, loss, backward and the optimiser's step") {
  const data::Batch batch = batch_of(8);
  const auto net = tiny_net(), by_hand = tiny_net();
  Sgd optimizer(net->named_parameters(), {.lr = 0.1, .momentum = 0.9}),
      other(by_hand->named_parameters(), {.lr = 0.1, .momentum = 0.9});
  TrainStep step(*net, optimizer, {.label_smoothing = 0.1});
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(step.steps() == i);
    const StepValues values = step(batch);
    other.zero_grad();
    const Tensor logits = (*by_hand)(batch.images);
    const Tensor loss = cross_entropy(logits, batch.labels, 0.1);
    loss.backward();
    other.step();
    CHECK(values.images == 8);
    CHECK(values.loss == loss.item());
    CHECK(values.top1 ==
          100.0 / 8 * static_cast<double>(count_hits(logits.detach(), batch.labels, 1)));
    CHECK_FALSE(values.grad_norm);
    CHECK_FALSE(values.skipped);
  }
  CHECK(values_of(net->state_dict()) == values_of(by_hand->state_dict()));
}

TEST_CASE("accumulated batches train as one large batch does") {
  const auto large = plain_net(), small = plain_net();
  Sgd large_optimizer(large->named_parameters(), {.lr = 0.1, .momentum = 0.9}),
      small_optimizer(small->named_parameters(), {.lr = 0.1, .momentum = 0.9});
  // clipped is the norm of the sum, not of its parts
  TrainStep large_step(*large, large_optimizer, {.clip_grad_norm = 1}),
      small_step(*small, small_optimizer, {.clip_grad_norm = 1, .shards = 3});
  for (int update = 0; update < 3; ++update) {
    const StepValues want = large_step(batch_of(24, 24 * update));
    int part = 0;
    const StepValues got = small_step(24, [&] { return batch_of(8, 24 * update + 8 * part++); });
    CHECK(part == 3);
    CHECK(got.images == want.images);
    CHECK(got.loss == doctest::Approx(want.loss).epsilon(1e-6));
    CHECK(got.top1 == doctest::Approx(want.top1));
    CHECK(got.grad_norm.value() == doctest::Approx(want.grad_norm.value()).epsilon(1e-5));
  }
  CHECK(distance(values_of(large->state_dict()), values_of(small->state_dict())) < 1e-5);
}

TEST_CASE("shards of different sizes weigh as their images do") {
  const auto large = plain_net(), small = plain_net();
  Sgd large_optimizer(large->named_parameters(), {.lr = 0.1}),
      small_optimizer(small->named_parameters(), {.lr = 0.1});
  const StepValues want = TrainStep(*large, large_optimizer)(batch_of(13));
  TrainStep step(*small, small_optimizer, {.shards = 3});
  std::int64_t first = 0;
  const StepValues got = step(13, [&] {
    const std::int64_t n = first == 0 ? 3 : 5;
    return batch_of(n, std::exchange(first, first + n));
  });
  CHECK(got.images == 13);
  CHECK(got.loss == doctest::Approx(want.loss).epsilon(1e-6));
  CHECK(got.top1 == doctest::Approx(want.top1));
  CHECK(distance(values_of(large->state_dict()), values_of(small->state_dict())) < 1e-6);
}

TEST_CASE("a clipped step reports the norm and stays near its start") {
  const auto net = tiny_net();
  Sgd optimizer(net->named_parameters(), {.lr = 0.1});
  TrainStep step(*net, optimizer, {.clip_grad_norm = 1e-3});
  const auto start = values_of(net->named_parameters());
  CHECK(step(batch_of(8)).grad_norm.value() > 0.1);  // before clipping
  CHECK(distance(values_of(net->named_parameters()), start) ==
        doctest::Approx(0.1 * 1e-3).epsilon(0.01));  // lr times the largest norm
}

TEST_CASE("loss and accuracy of mixed images weigh both labels with their shares") {
  const auto make_net = [](std::uint64_t seed) {  // one whose guesses depend on the image
    const NoGradGuard no_grad;
    auto net = tiny_net(seed);
    net->named_parameters().back().tensor.zero_();
    return net;
  };
  int different = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    CAPTURE(seed);
    RunOptions o;
    o.seed = seed;
    o.batch_size = 64;
    o.mixup = 1;
    const data::DataSplits data = tiny_splits();
    data::Loader loader(data.train, train_loader_options(data, o));
    loader.start_epoch(0);
    const data::Batch batch = loader.next().value();
    const double share = batch.share;
    const Tensor logits = (*make_net(seed))(batch.images);
    const auto loss = [&](const Tensor& labels) {
      return cross_entropy(logits, labels, 0.1).item();
    };
    const auto accuracy = [&](const Tensor& labels) {
      return 100.0 / 64 * static_cast<double>(count_hits(logits.detach(), labels, 1));
    };
    const auto net = make_net(seed);
    Sgd optimizer(net->named_parameters(), {.lr = 0.1});
    const StepValues values = TrainStep(*net, optimizer, {.label_smoothing = 0.1})(batch);
    const double first = accuracy(batch.labels), second = accuracy(batch.second_labels);
    different += first != second;
    CHECK(values.loss ==
          doctest::Approx(share * loss(batch.labels) + (1 - share) * loss(batch.second_labels)));
    CHECK(values.top1 == doctest::Approx(share * first + (1 - share) * second));
  }
  CHECK(different > 0);
}

TEST_CASE("averages take in the weights after each update") {
  const auto net = tiny_net();
  Sgd optimizer(net->named_parameters(), {.lr = 0.1});
  Ema ema(*net, 0.9), by_hand(*net, 0.9);
  TrainStep step(*net, optimizer, {.ema = &ema});
  step.set_steps(5);  // the ramp of the decay goes on from there
  for (std::int64_t updates = 5; updates < 8; ++updates) {
    step(batch_of(8));
    by_hand.update(updates);
    CHECK(values_of(ema.state()) == values_of(by_hand.state()));
  }
  CHECK(step.steps() == 8);
}

TEST_CASE("values that are not finite are an error that names them, and the weights stay") {
  const auto net = net_with_bomb(true);
  Sgd optimizer(net->named_parameters(), {.lr = 0.1});
  TrainStep step(*net, optimizer);
  step(batch_of(8));
  step(batch_of(8));
  const auto before = values_of(net->named_parameters());
  const data::Batch batch = batch_of(8, 8);
  try {
    step(batch);
    FAIL("expected an error");
  } catch (const NonfiniteError& error) {
    CHECK(std::string(error.what())
              .starts_with("train: step 3: expected finite loss and gradients, "
                           "got loss "));
    CHECK(error.batch().labels.to_vector<double>() == batch.labels.to_vector<double>());
  }
  CHECK(step.steps() == 2);
  CHECK(values_of(net->named_parameters()) == before);

  // the same of a gradient alone
  const auto other = tiny_net();
  Sgd sgd(other->named_parameters(), {.lr = 0.1});
  const Tensor weight = other->named_parameters().back().tensor;
  weight.register_hook([](const Tensor& g) { return Tensor::full(g.shape(), INFINITY); });
  const auto start = values_of(other->named_parameters());
  CHECK_THROWS_AS(TrainStep(*other, sgd)(batch_of(8)), NonfiniteError);
  CHECK(values_of(other->named_parameters()) == start);
  CHECK(std::isinf(weight.grad().to_vector<double>().front()));
}

TEST_CASE("a skipped update leaves weights, velocities, statistics and averages as they were") {
  for (const char* name : {"sgd", "adamw"}) {
    for (const std::int64_t accumulate : {1, 2}) {  // and as the first of the two of an update
      CAPTURE(name);
      CAPTURE(accumulate);
      const auto net = net_with_bomb(true), calm = net_with_bomb(false);
      const auto optimizer = make(name, *net), calm_optimizer = make(name, *calm);
      Ema ema(*net, 0.9), calm_ema(*calm, 0.9);
      TrainStep step(*net, *optimizer,
                     {.clip_grad_norm = 1,
                      .on_nonfinite = OnNonfinite::skip,
                      .ema = &ema,
                      .shards = accumulate}),
          calm_step(*calm, *calm_optimizer,
                    {.clip_grad_norm = 1, .ema = &calm_ema, .shards = accumulate});
      std::int64_t taken = 0;
      const auto next = [&] { return batch_of(8, 8 * taken++); };
      const std::int64_t good = 3 - accumulate;
      for (std::int64_t i = 0; i < good; ++i) CHECK_FALSE(step(8 * accumulate, next).skipped);
      taken = 0;
      for (std::int64_t i = 0; i < good; ++i) calm_step(8 * accumulate, next);
      const StepValues values = step(8 * accumulate, next);
      CHECK(taken == (good + 1) * accumulate);
      CHECK_FALSE(values.skipped.value().empty());
      CHECK(std::isnan(values.grad_norm.value()));
      CHECK(step.steps() == good + 1);
      CHECK(values_of(net->state_dict()) == values_of(calm->state_dict()));
      CHECK(values_of(optimizer->state()) == values_of(calm_optimizer->state()));
      CHECK(values_of(ema.state()) == values_of(calm_ema.state()));
    }
  }
}

TEST_CASE("a step says what its time went to") {
  const auto net = tiny_net();
  Sgd optimizer(net->named_parameters(), {.lr = 0.1});
  std::vector<std::string> marks;
  TrainStep step(*net, optimizer,
                 {.shards = 2, .mark = [&](std::string_view what) { marks.emplace_back(what); }});
  step(16, [] { return batch_of(8); });
  CHECK(marks == std::vector<std::string>{"zero_grad", "check for NaN and infinity",
                                          "check for NaN and infinity", "sum over shards"});
}

TEST_CASE("options out of range are errors") {
  const auto net = tiny_net();
  Sgd optimizer(net->named_parameters(), {.lr = 0.1});
  CHECK_THROWS_WITH_AS(TrainStep(*net, optimizer, {.clip_grad_norm = -1}),
                       "train: clip_grad_norm: expected a finite number of at least 0, got -1",
                       ValueError);
  CHECK_THROWS_AS(TrainStep(*net, optimizer, {.clip_grad_norm = INFINITY}), ValueError);
  CHECK_THROWS_WITH_AS(TrainStep(*net, optimizer, {.shards = 0}),
                       "train: shards of an update: expected at least 1, one for each rank, got 0",
                       ValueError);
  CHECK_THROWS_WITH_AS(TrainStep(*net, optimizer, {.shards = 2})(24, [] { return batch_of(8); }),
                       "train: shards of an update: expected 24 images in all, got 16", ValueError);
}
