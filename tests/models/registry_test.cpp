#include "models/registry.h"

#include <doctest/doctest.h>

#include <set>

#include "models/summary.h"
#include "tests/models/module_helpers.h"
#include "tests/support/compare.h"
#include "tests/support/error_of.h"

using namespace resgrad;
using namespace resgrad::testing;

namespace {

struct Count {
  std::string model;
  std::int64_t parameters;
  std::int64_t mult_adds;  ///< of one 3x32x32 image; 0: not published
  models::Options options = {};
};

/// Weights of convolutions and of the classifier, in order.
std::vector<Tensor> weights_of(const Module& net) {
  std::vector<Tensor> weights;
  for (const NamedTensor& p : net.named_parameters()) {
    if (p.tensor.rank() > 1) weights.push_back(p.tensor);
  }
  return weights;
}

int different_weights(const Module& a, const Module& b) {
  const std::vector<Tensor> x = weights_of(a), y = weights_of(b);
  REQUIRE(x.size() == y.size());
  int different = 0;
  for (std::size_t i = 0; i < x.size(); ++i) different += !bit_equal(x[i], y[i]);
  return different;
}

}  // namespace

TEST_CASE("parameters and mult-adds of the CIFAR networks") {
  const models::Options a = {.shortcut = Shortcut::zero_pad};
  const models::Options b = {.shortcut = Shortcut::projection};
  const std::vector<Count> counts = {
      // He et al. 2015, shortcut A (the default) and B
      {"resnet20", 269'722, 40'552'426},
      {"resnet20", 269'722, 40'552'426, a},
      {"resnet32", 464'154, 68'864'874},
      {"resnet44", 658'586, 97'177'322},
      {"resnet56", 853'018, 125'489'770},
      {"resnet110", 1'727'962, 252'895'786},
      {"resnet1202", 19'421'274, 0},  // 269,722 + 97,216 for each of 197 more blocks a stage
      {"resnet20", 272'474, 40'814'762, b},
      {"resnet56", 855'770, 125'752'106, b},
      // He et al. 2016
      {"preact_resnet110", 1'727'962, 252'895'786},
      {"preact_resnet110", 1'730'522, 253'157'930, b},
      {"preact_resnet164", 1'703'258, 244'525'226},
      {"preact_resnet1001", 10'327'706, 1'487'999'210},
      // four stages, CIFAR stem
      {"resnet18", 11'173'962, 555'432'330},
      {"resnet50", 23'520'842, 1'297'883'018},
      // Xie et al. 2017
      {"resnext29_32x4d", 4'775'754, 774'081'162},
      {"resnext29_4x64d", 17'562'442, 2'736'501'898},
      {"resnext29_8x64d", 34'426'698, 5'387'323'530},
      {"resnext29_16x64d", 68'155'210, 10'688'966'794},
      // Jordan 2024, by hand: stem 896, stages 18,560 + 36,992, 147,968 + 590,336, 590,336 twice,
      // classifier 2,570
      {"fastresnet8", 1'977'994, 151'917'322}};
  for (Count count : counts) {
    CAPTURE(count.model);
    CAPTURE(count.parameters);
    count.options.initialise = false;
    const auto net = models::make(count.model, count.options);
    CHECK(net->parameter_count() == count.parameters);
    if (count.mult_adds > 0) CHECK(multiply_adds(*net, {1, 3, 32, 32}) == count.mult_adds);
  }
}

TEST_CASE("parameters of the ImageNet networks are torchvision's") {
  const std::vector<Count> counts = {
      {"resnet18", 11'689'512, 0},        {"resnet34", 21'797'672, 0},
      {"resnet50", 25'557'032, 0},        {"resnet101", 44'549'160, 0},
      {"resnet152", 60'192'808, 0},       {"resnext50_32x4d", 25'028'904, 0},
      {"resnext101_32x8d", 88'791'336, 0}};
  for (const Count& count : counts) {
    CAPTURE(count.model);
    const auto net = models::make(
        count.model, {.num_classes = 1000, .stem = Stem::imagenet, .initialise = false});
    CHECK(net->parameter_count() == count.parameters);
  }
}

TEST_CASE("names are unique and every network names its source") {
  std::set<std::string> names;
  for (const models::Entry& entry : models::registry()) {
    CAPTURE(entry.name);
    CHECK(names.insert(entry.name).second);
    CHECK(entry.source.find("arXiv:") != std::string::npos);
  }
  CHECK(names.size() >= 24);
}

TEST_CASE("an unknown name is an error that lists the known ones") {
  const std::string text = error_of([] { models::make("resnet21"); });
  CHECK(text.starts_with("model: expected one of resnet20, resnet32, "));
  CHECK(text.ends_with(", got resnet21"));
  for (const models::Entry& entry : models::registry()) {
    CHECK(text.find(entry.name) != std::string::npos);
  }
}

TEST_CASE("options replace the family's own choices, and only those that are set") {
  const ResNetConfig own = models::configure("preact_resnet20");
  CHECK(own.activation == Activation::pre);
  CHECK(own.shortcut == Shortcut::zero_pad);
  CHECK(own.stem == Stem::cifar);
  CHECK(own.num_classes == 10);
  CHECK_FALSE(own.zero_init_residual);
  CHECK(models::configure("resnext29_32x4d").zero_init_residual);
  CHECK_FALSE(
      models::configure("resnext29_32x4d", {.zero_init_residual = false}).zero_init_residual);
  const ResNetConfig other = models::configure("preact_resnet20", {.num_classes = 100,
                                                                   .activation = Activation::post,
                                                                   .shortcut = Shortcut::projection,
                                                                   .stem = Stem::imagenet,
                                                                   .zero_init_residual = true});
  CHECK(other.activation == Activation::post);
  CHECK(other.shortcut == Shortcut::projection);
  CHECK(other.stem == Stem::imagenet);
  CHECK(other.num_classes == 100);
  CHECK(other.zero_init_residual);
}

TEST_CASE("a network is told by its name and what differs from the one of that name") {
  const auto told = [](const char* model, const models::Options& options) {
    return models::describe(model, models::configure(model, options));
  };
  CHECK(told("resnet20", {.num_classes = 100}) == "resnet20");
  CHECK(told("resnet20", {.activation = Activation::post}) == "resnet20");
  CHECK(told("resnet20", {.activation = Activation::pre}) == "resnet20 with activation=pre");
  CHECK(told("resnext29_32x4d", {.fields = {{"groups", "8"}, {"bottleneck_ratio", "2"}}}) ==
        "resnext29_32x4d with bottleneck_ratio=2 groups=8");
  CHECK(told("resnet20", {.fields = {{"block", "bottleneck"}, {"bottleneck_ratio", "4"}}}) ==
        "resnet20 with block=bottleneck");
}

TEST_CASE("every pre-activation network ends in a norm and a ReLU") {
  int found = 0;
  for (const models::Entry& entry : models::registry()) {
    if (entry.config.activation != Activation::pre) continue;
    CAPTURE(entry.name);
    ++found;
    const auto net = models::make(entry.name, {.initialise = false});
    CHECK(entry.name.starts_with("preact_"));
    CHECK(classes_in(*child_of(*net, "norm")) == "BatchNorm2d ReLU");
    CHECK(net->children()[net->children().size() - 4].first == "norm");
    CHECK(net->children()[net->children().size() - 3].first == "pool");
  }
  CHECK(found == 6);
}

TEST_CASE("weights are a function of the seed") {
  const auto a = models::make("resnet20", {.seed = 1}),
             again = models::make("resnet20", {.seed = 1});
  CHECK(different_weights(*a, *again) == 0);
  const auto other = models::make("resnet20", {.seed = 2});
  CHECK(different_weights(*a, *other) == static_cast<int>(weights_of(*a).size()));
}

TEST_CASE("post and pre variants of one seed start with the same convolutions and classifier") {
  for (const char* model : {"resnet20", "preact_resnet164", "resnet18", "resnext29_32x4d"}) {
    for (const Shortcut shortcut : {Shortcut::zero_pad, Shortcut::projection}) {
      CAPTURE(model);
      const auto variant = [&](Activation activation) {
        return models::make(model, {.activation = activation,
                                    .shortcut = shortcut,
                                    .zero_init_residual = false,  // has another zero in pre blocks
                                    .seed = 3});
      };
      const auto post = variant(Activation::post), pre = variant(Activation::pre);
      CHECK(different_weights(*post, *pre) == 0);
    }
  }
}

TEST_CASE("the default stem is ImageNet's above 64 pixels") {
  CHECK(models::default_stem(32) == Stem::cifar);
  CHECK(models::default_stem(64) == Stem::cifar);
  CHECK(models::default_stem(65) == Stem::imagenet);
  CHECK(models::default_stem(224) == Stem::imagenet);
}
