#include "train/dist/update_sum.h"

#include <doctest/doctest.h>

#include <rapidcheck.h>

#include <mutex>

#include "core/ops/cross_entropy.h"
#include "core/random.h"
#include "nn/init.h"
#include "nn/nn.h"
#include "nn/shard_scope.h"
#include "tests/train/dist/thread_ranks.h"

using namespace resgrad;

namespace {

// With running statistics, random numbers, and a parameter that is not trained.
std::shared_ptr<Sequential> small_net() {
  const init::InitScope scope(1);
  auto net = std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(3, 4, 3, Conv2dLayerOptions{.stride = 2}),
      std::make_shared<BatchNorm2d>(4), std::make_shared<ReLU>(), std::make_shared<Dropout>(0.3),
      std::make_shared<Flatten>(), std::make_shared<Linear>(4 * 3 * 3, 5)});
  net->named_parameters()[2].tensor.set_requires_grad(false);
  return net;
}

Tensor images_of(std::int64_t shard) {
  Random random(5, Purpose::test, 0, static_cast<std::uint64_t>(shard));
  return Tensor::randn({3, 3, 8, 8}, random);
}

struct Outcome {
  std::vector<std::vector<double>> gradients, state;
  std::vector<double> numbers;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(Module& net, std::vector<double> numbers) {
  Outcome result;
  for (const NamedTensor& p : net.named_parameters()) {
    const Tensor gradient = p.tensor.grad();
    result.gradients.push_back(gradient.defined() ? gradient.to_vector<double>()
                                                  : std::vector<double>());
  }
  for (const NamedTensor& t : net.named_buffers()) {
    result.state.push_back(t.tensor.to_vector<double>());
  }
  result.numbers = std::move(numbers);
  return result;
}

double pass(Module& net, std::int64_t shard, double share) {
  const ShardScope scope(static_cast<std::uint32_t>(shard));
  const Tensor loss =
      cross_entropy(net(images_of(shard)), Tensor::from<std::int64_t>({0, 3, 4}, {3}));
  loss.backward(Tensor::scalar(share));
  return share * loss.item();
}

// Two updates, so that the second begins with what the first left.
Outcome two_updates(Communicator& ranks, std::int64_t shards) {
  const auto net = small_net();
  UpdateSum sum(*net, shards, 2, ranks);
  std::vector<double> numbers;
  const double share = 1 / static_cast<double>(shards);
  for (int update = 0; update < 2; ++update) {
    net->zero_grad();
    for (std::int64_t s = sum.own().begin; s < sum.own().end; ++s) {
      sum.begin_shard(s);
      const double loss = pass(*net, s, share);
      sum.end_shard(share, {loss, 1});
    }
    numbers = sum.finish();
  }
  return outcome(*net, numbers);
}

}  // namespace

TEST_CASE("an update is the same bits on any number of ranks") {
  CHECK(rc::check([] {
    const auto shards = *rc::gen::inRange<std::int64_t>(2, 9);
    const auto ranks =
        *rc::gen::inRange(2, static_cast<int>(std::min<std::int64_t>(shards, 4)) + 1);
    const Outcome want = two_updates(Communicator::alone(), shards);
    RC_ASSERT(want.numbers[1] == static_cast<double>(shards));
    ThreadRanks::run(ranks, [&](Communicator& communicator) {
      RC_ASSERT(two_updates(communicator, shards) == want);
    });
  }));
}

TEST_CASE("gradients, statistics and numbers are those of independent passes, weighed and added") {
  for (const std::int64_t shards : {2, 3, 5}) {
    const double share = 1 / static_cast<double>(shards);
    const auto net = small_net();
    UpdateSum sum(*net, shards, 1, Communicator::alone());
    std::vector<std::vector<double>> gradients(net->named_parameters().size());
    std::vector<double> running_mean(4);
    double loss = 0;
    for (std::int64_t s = 0; s < shards; ++s) {
      sum.begin_shard(s);
      sum.end_shard(share, {pass(*net, s, share)});
      const auto own = small_net();
      loss += pass(*own, s, share);
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        const Tensor gradient = own->named_parameters()[i].tensor.grad();
        if (!gradient.defined()) continue;
        const auto values = gradient.to_vector<double>();
        gradients[i].resize(values.size());
        for (std::size_t k = 0; k < values.size(); ++k) gradients[i][k] += values[k];
      }
      const auto mean = own->named_buffers()[0].tensor.to_vector<double>();
      for (std::size_t c = 0; c < 4; ++c) running_mean[c] += share * mean[c];
    }
    CHECK(sum.finish()[0] == doctest::Approx(loss));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Tensor gradient = net->named_parameters()[i].tensor.grad();
      CHECK(gradient.defined() == !gradients[i].empty());
      if (!gradient.defined()) continue;
      const auto values = gradient.to_vector<double>();
      for (std::size_t k = 0; k < values.size(); ++k) {
        CHECK(values[k] == doctest::Approx(gradients[i][k]).epsilon(1e-4).scale(0.01));
      }
    }
    const auto buffers = net->named_buffers();
    for (std::size_t c = 0; c < 4; ++c) {
      CHECK(buffers[0].tensor.to_vector<double>()[c] == doctest::Approx(running_mean[c]));
    }
    CHECK(buffers[2].tensor.item() == 1);                  // batches tracked: an update is one
    CHECK(buffers[3].tensor.to_vector<double>()[1] == 1);  // of the dropout's draws too
  }
}

TEST_CASE("one shard is left as it is") {
  const auto net = small_net(), plain = small_net();
  UpdateSum sum(*net, 1, 1, Communicator::alone());
  sum.begin_shard(0);
  sum.end_shard(1, {pass(*net, 0, 1)});
  const auto gradient = net->named_parameters()[0].tensor.grad();
  const auto numbers = sum.finish();
  CHECK(net->named_parameters()[0].tensor.grad().is_same(gradient));
  const double loss = pass(*plain, 0, 1);
  CHECK(outcome(*net, numbers) == outcome(*plain, {loss}));
}

TEST_CASE("gradients of some shards alone, or two of one, are errors; so are idle ranks") {
  const auto net = small_net();
  UpdateSum sum(*net, 2, 0, Communicator::alone());
  sum.begin_shard(0);
  pass(*net, 0, 0.5);
  sum.end_shard(0.5, {});
  sum.begin_shard(1);
  sum.end_shard(0.5, {});
  CHECK_THROWS_WITH_AS(sum.finish(),
                       "train: 0.weight: expected 2 gradients, one from each shard, or none, got 1",
                       StateError);
  ThreadRanks::run(2, [](Communicator& ranks) {
    const auto other = small_net();
    UpdateSum twice(*other, 2, 0, ranks);
    twice.begin_shard(ranks.rank());
    pass(*other, 0, 0.5);
    pass(*other, 0, 0.5);
    twice.end_shard(0.5, {});
    CHECK_THROWS_WITH_AS(
        twice.finish(),
        "train: 0.weight: expected 2 gradients, one from each shard, or none, got 4", StateError);
    CHECK_THROWS_WITH_AS(
        UpdateSum(*other, 1, 0, ranks),
        "train: shards of an update: expected at least 2, one for each rank, got 1", ValueError);
  });
}

TEST_CASE("a parameter with gradients at some ranks alone is an error at all of them") {
  for (const std::int64_t shards : {2, 5}) {
    ThreadRanks::run(2, [shards](Communicator& ranks) {
      const auto net = small_net();
      UpdateSum sum(*net, shards, 1, ranks);
      const auto update = [&](bool everywhere) {
        net->zero_grad();
        for (std::int64_t s = sum.own().begin; s < sum.own().end; ++s) {
          sum.begin_shard(s);
          if (everywhere || s != 0) pass(*net, s, 0.5);
          sum.end_shard(0.5, {1});
        }
        return sum.finish()[0];
      };
      CHECK(update(true) == static_cast<double>(shards));
      const std::string error = fmt::format(
          "train: 0.weight: expected {} gradients, one from each shard, or none, got {}", shards,
          shards - 1);
      CHECK_THROWS_WITH_AS(update(false), error.c_str(), StateError);
    });
  }
}

TEST_CASE("its hooks end with it") {
  const auto net = small_net();
  ThreadRanks::run(2, [](Communicator& ranks) {
    const auto own = small_net();
    { const UpdateSum sum(*own, 2, 0, ranks); }
    pass(*own, 0, 1);
    pass(*own, 0, 1);
  });
}
