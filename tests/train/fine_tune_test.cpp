#include "train/fine_tune.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "core/check.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/tiny_run.h"
#include "train/trainer.h"

namespace resgrad {
namespace {

std::shared_ptr<ResNet> net_of(std::int64_t classes, std::uint64_t seed) {
  const init::InitScope scope(seed);
  return std::make_shared<ResNet>(ResNetConfig{
      .stem_channels = 4, .blocks = {1, 1}, .channels = {4, 8}, .num_classes = classes});
}

// The values of the network by name; of those below `child` alone, if there is one.
std::map<std::string, std::vector<float>> values(const Module& net, const std::string& child = "") {
  std::map<std::string, std::vector<float>> all;
  for (const NamedTensor& t : net.state_dict()) {
    if (t.name.starts_with(child) && t.tensor.dtype() == DType::float32) {
      all[t.name] = t.tensor.to_vector<float>();
    }
  }
  return all;
}

Checkpoint weights_of(const Module& net, std::int64_t classes) {
  return {.info = {.num_classes = classes}, .model = net.state_dict(), .optimizer = {}};
}

TEST_CASE("a network starts from the parameters and buffers of weights") {
  const auto from = net_of(10, 1), to = net_of(10, 2);
  (*from)(Tensor::ones({2, 3, 8, 8}));  // running statistics of its own
  REQUIRE(values(*from) != values(*to));
  start_from(*to, weights_of(*from, 10), 10, false, "w");
  CHECK(values(*from) == values(*to));
}

TEST_CASE("weights with a drop path start a network without, and the other way round") {
  const init::InitScope scope(4);
  ResNetConfig config{.stem_channels = 4, .blocks = {1, 1}, .channels = {4, 8}};
  config.drop_path = 0.2;
  ResNet with(config);
  const auto without = net_of(10, 1);
  start_from(*without, weights_of(with, 10), 10, false, "w");
  CHECK(values(*without) == values(with));
  ResNet other(config);
  const auto random_state = [](const Module& net) {
    return net.named_buffers().back().tensor.to_vector<std::int64_t>();
  };
  const auto before = random_state(other);
  start_from(other, weights_of(*net_of(10, 2), 10), 10, false, "w");
  CHECK(values(other) == values(*net_of(10, 2)));
  start_from(other, weights_of(with, 10), 10, false, "w");
  CHECK(values(other) == values(with));
  CHECK(random_state(other) == before);  // not those of the other
}

TEST_CASE("other classes need a new head, which keeps the values that it has") {
  const auto from = net_of(10, 1), to = net_of(3, 2);
  const auto before = values(*to);
  CHECK_THROWS_WITH_AS(
      start_from(*to, weights_of(*from, 10), 3, false, "w.safetensors"),
      "weights: w.safetensors: expected weights for the 3 classes of the data, got 10; with "
      "--reset-head the classifier starts anew and all else from them",
      ValueError);
  CHECK(values(*to) == before);
  start_from(*to, weights_of(*from, 10), 3, true, "w.safetensors");
  const auto loaded = values(*from);
  for (const auto& tensor : values(*to)) {
    CAPTURE(tensor.first);
    const bool is_head = tensor.first.starts_with("fc.");
    CHECK(tensor.second == (is_head ? before : loaded).at(tensor.first));
  }
}

TEST_CASE("weights of another network are an error that names five tensors at most") {
  const init::InitScope scope(1);
  const ResNet wide({.stem_channels = 8, .blocks = {1, 1}, .channels = {8, 16}});
  const auto to = net_of(10, 2);
  const auto before = values(*to);
  std::string message;
  try {
    start_from(*to, weights_of(wide, 10), 10, true, "w.safetensors");
  } catch (const ValueError& error) {
    message = error.what();
  }
  CHECK(message.starts_with("weights: w.safetensors: expected the tensors of the network"));
  CHECK(message.find("stem.0.weight: expected float32 [4, 3, 3, 3], got float32 [8, 3, 3, 3]") !=
        std::string::npos);
  CHECK(std::ranges::count(message, '\n') == 6);  // five, and how many more
  CHECK(values(*to) == before);
}

TEST_CASE("frozen parts stay as they are, running statistics included, and others are trained") {
  const TemporaryFolder folder;
  const auto net = net_of(10, 1);
  freeze(*net, {"stem", "stage1"});
  const auto stem = values(*net, "stem."), stage1 = values(*net, "stage1."),
             stage2 = values(*net, "stage2."), fc = values(*net, "fc.");
  RunOptions o = tiny_options(folder.path() / "run");
  o.weight_decay = 0.1;
  o.recompute = true;
  net->set_recompute_blocks(true);
  run_training(*net, tiny_splits(), o, {});
  CHECK(values(*net, "stem.") == stem);
  CHECK(values(*net, "stage1.") == stage1);
  for (const auto& [name, value] : values(*net, "stage2.")) CHECK(value != stage2.at(name));
  CHECK(values(*net, "fc.") != fc);
}

TEST_CASE("only parts that have parameters can be frozen, and not all of them") {
  const auto net = net_of(10, 1);
  CHECK_THROWS_WITH_AS(
      freeze(*net, {"stem", "stage9"}),
      "train: freeze: expected parts of the network (stem, stage1, stage2, fc), got stage9",
      ValueError);
  CHECK_THROWS_AS(freeze(*net, {"pool"}), ValueError);
  CHECK_THROWS_WITH_AS(freeze(*net, {"fc", "stem", "stage1", "stage2"}),
                       "train: freeze: expected a part of the network that is trained, got all of "
                       "it frozen: fc, stem, stage1, stage2",
                       ValueError);
  for (const NamedTensor& p : net->named_parameters()) CHECK(p.tensor.requires_grad());
  net->apply([](Module& module) { CHECK(module.is_training()); });
  freeze(*net, {"fc"});
  for (const NamedTensor& p : net->named_parameters()) {
    CHECK(p.tensor.requires_grad() != p.name.starts_with("fc."));
  }
}

}  // namespace
}  // namespace resgrad
