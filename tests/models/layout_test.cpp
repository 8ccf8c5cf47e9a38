#include "models/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "core/check.h"
#include "models/registry.h"

using namespace resgrad;
using namespace resgrad::models;

namespace {

std::vector<NamedTensor> state_of(std::string_view model, std::string_view layout,
                                  const Options& options = {}) {
  return state_in_layout(*make(model, options), configure(model, options), layout);
}

std::set<std::string> names_of(const std::vector<NamedTensor>& state) {
  std::set<std::string> names;
  for (const NamedTensor& t : state) names.insert(t.name);
  return names;
}

std::vector<NamedTensor> copies(std::vector<NamedTensor> state) {
  for (NamedTensor& t : state) t.tensor = t.tensor.detach().clone();
  return state;
}

std::vector<NamedTensor>::iterator find(std::vector<NamedTensor>& state, std::string_view name) {
  const auto found = std::ranges::find(state, name, &NamedTensor::name);
  REQUIRE(found != state.end());
  return found;
}

const Options kProjection{.shortcut = Shortcut::projection, .seed = 5, .initialise = true};

}  // namespace

TEST_CASE("torchvision's names of ResNet-18") {
  const std::set<std::string> names = names_of(state_of("resnet18", "torchvision"));
  CHECK(names.size() == 122);  // 62 parameters, 20 batch norms of 3 buffers
  for (const char* name :
       {"conv1.weight", "bn1.num_batches_tracked", "layer1.0.conv1.weight", "layer1.1.bn2.bias",
        "layer2.0.downsample.0.weight", "layer2.0.downsample.1.running_var",
        "layer4.1.conv2.weight", "fc.weight", "fc.bias"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
}

TEST_CASE("the place in the random numbers of a drop path is no weight") {
  CHECK(names_of(state_of("resnet18", "torchvision", {.fields = {{"drop_path", "0.2"}}})) ==
        names_of(state_of("resnet18", "torchvision")));
}

TEST_CASE("torchvision's names of bottlenecks, grouped ones too") {
  for (const char* model : {"resnet50", "resnext50_32x4d"}) {
    const std::set<std::string> names = names_of(state_of(model, "torchvision"));
    CHECK(names.size() == 320);
    CHECK(names.contains("layer3.5.conv3.weight"));
    CHECK(names.contains("layer3.5.bn3.running_mean"));
    CHECK(names.contains("layer1.0.downsample.1.weight"));
  }
}

TEST_CASE("the other layouts differ in shortcut, head and prefix") {
  const std::set<std::string> chenyaofo = names_of(state_of("resnet20", "chenyaofo", kProjection));
  CHECK(chenyaofo.contains("layer3.2.bn2.weight"));
  CHECK(chenyaofo.contains("layer2.0.downsample.0.weight"));
  CHECK(chenyaofo.contains("fc.bias"));
  const std::set<std::string> akamaster = names_of(state_of("resnet20", "akamaster"));
  CHECK(akamaster.contains("module.layer3.2.bn2.weight"));
  CHECK(akamaster.contains("module.linear.bias"));
  CHECK(std::ranges::none_of(
      akamaster, [](const std::string& n) { return n.find("shortcut") != std::string::npos; }));
  CHECK(names_of(state_of("resnet20", "akamaster", kProjection))
            .contains("module.layer2.0.shortcut.1.bias"));
  const std::set<std::string> kuangliu = names_of(state_of("resnet50", "kuangliu"));
  CHECK(kuangliu.contains("layer1.0.shortcut.0.weight"));
  CHECK(kuangliu.contains("linear.weight"));
}

TEST_CASE("names are different from each other, and the tensors are the network's own") {
  const auto net = make("resnet50", {});
  const auto own = net->state_dict(),
             state = state_in_layout(*net, configure("resnet50"), "kuangliu");
  CHECK(names_of(state).size() == own.size());
  for (std::size_t i = 0; i < own.size(); ++i) CHECK(state[i].tensor.is_same(own[i].tensor));
}

TEST_CASE("a layout refuses networks that its code cannot build") {
  const auto refusal = [](const char* model, const char* layout, const Options& options = {}) {
    try {
      state_of(model, layout, options);
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal("preact_resnet18", "torchvision") ==
        "layout torchvision: network: expected post-activation blocks, got pre-activation");
  const std::string activated =
      "network: expected projections that take the activated input of a block "
      "(activated_shortcut=on), got projections that take the input itself";
  CHECK(refusal("resnet18", "kuangliu", {.activation = Activation::pre}) ==
        "layout kuangliu: " + activated);
  CHECK(refusal("preact_resnet18", "resnetv2") == "layout resnetv2: " + activated);
  CHECK(refusal("preact_resnet18", "kuangliu", {.fields = {{"activated_shortcut", "on"}}}) ==
        "layout kuangliu: network: expected no norm behind the last stage (final_norm=off), got "
        "one");
  const models::Fields without{{"activated_shortcut", "on"}, {"final_norm", "off"}};
  CHECK(refusal("preact_resnet18", "resnetv2", {.fields = without}) ==
        "layout resnetv2: network: expected a norm behind the last stage (final_norm=on), got "
        "none");
  CHECK(refusal("resnet18", "resnetv2") ==
        "layout resnetv2: network: expected pre-activation blocks, got post-activation");
  CHECK(refusal("preact_resnet18", "resnetv2", {.fields = {{"activated_shortcut", "on"}}}) ==
        "layout resnetv2: network: expected the ImageNet stem, got the CIFAR stem");
  CHECK(refusal("resnet50", "resnetv2",
                {.activation = Activation::pre,
                 .stem = Stem::imagenet,
                 .fields = {{"activated_shortcut", "on"}, {"stem_channels", "256"}}}) ==
        "layout resnetv2: network: expected bottlenecks that change the number of channels behind "
        "the stem, got 256 in both");
  CHECK(
      refusal("resnet20", "chenyaofo") ==
      "layout chenyaofo: network: expected shortcut B (projection), got shortcut A (zero padding)");
  CHECK(refusal("preact_resnet164", "torchvision", {.activation = Activation::post}) ==
        "layout torchvision: network: expected the stride of a bottleneck in its 3x3 convolution, "
        "got it in the first 1x1");
  CHECK(refusal("resnet18", "akamaster") == "layout akamaster: network: expected 3 stages, got 4");
  CHECK(refusal("resnext29_32x4d", "chenyaofo") ==
        "layout chenyaofo: network: expected basic blocks, got bottlenecks");
  CHECK(refusal("resnext50_32x4d", "kuangliu") ==
        "layout kuangliu: network: expected convolutions without groups, got 32 groups");
  CHECK(refusal("resnet18", "kuangliu", {.stem = Stem::imagenet}) ==
        "layout kuangliu: network: expected the CIFAR stem, got the ImageNet stem");
  CHECK(refusal("resnet18", "keras") ==
        "layout: expected one of torchvision, chenyaofo, akamaster, kuangliu, resnetv2, got keras");
  CHECK(refusal("resnext29_32x4d", "torchvision").empty());
}

TEST_CASE("a state loads again, with or without a leading module. and without its counters") {
  for (const char* layout : {"chenyaofo", "akamaster"}) {
    CAPTURE(layout);
    const auto saved = make("resnet20", kProjection);
    const ResNetConfig config = configure("resnet20", kProjection);
    for (NamedTensor& b : saved->named_buffers()) b.tensor.fill_(3);
    std::vector<NamedTensor> state = copies(state_in_layout(*saved, config, layout));
    std::erase_if(state, [](const NamedTensor& t) { return t.name.ends_with("_tracked"); });
    for (NamedTensor& t : state) {
      t.name = t.name.starts_with("module.") ? t.name.substr(7) : "module." + t.name;
    }
    const auto loaded = make("resnet20", {.shortcut = Shortcut::projection, .seed = 6});
    load_state_in_layout(*loaded, config, layout, state);
    const auto want = saved->state_dict(), got = loaded->state_dict();
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(want[i].name);
      if (want[i].name.ends_with("_tracked")) {
        CHECK(got[i].tensor.item() == 0);  // its own
      } else {
        CHECK(got[i].tensor.to_vector<double>() == want[i].tensor.to_vector<double>());
      }
    }
  }
}

TEST_CASE("one error lists everything that does not fit, by the names of the file") {
  const auto net = make("resnet20", {.seed = 1});
  const ResNetConfig config = configure("resnet20");
  std::vector<NamedTensor> state = copies(state_in_layout(*net, config, "akamaster"));
  find(state, "module.linear.weight")->tensor = Tensor::zeros({100, 64});
  find(state, "module.conv1.weight")->name = "module.conv.weight";
  state.erase(find(state, "module.layer1.0.bn1.weight"));
  const std::vector<NamedTensor> before = copies(net->state_dict());
  try {
    load_state_in_layout(*net, config, "akamaster", state);
    FAIL("expected an error");
  } catch (const ValueError& error) {
    CHECK(std::string(error.what()) ==
          "layout akamaster: expected the tensors of the network, got a state that differs in:\n"
          "  missing: conv1.weight\n"
          "  missing: layer1.0.bn1.weight\n"
          "  different: linear.weight: expected float32 [10, 64], got float32 [100, 64]\n"
          "  unexpected: conv.weight");
  }
  const std::vector<NamedTensor> after = net->state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(after[i].tensor.to_vector<double>() == before[i].tensor.to_vector<double>());
  }
}

TEST_CASE("names with the prefixes of wrappers load, some or all") {
  const auto net = make("resnet20", kProjection);
  const ResNetConfig config = configure("resnet20", kProjection);
  std::vector<NamedTensor> state = copies(state_in_layout(*net, config, "chenyaofo"));
  state[0].name = "module._orig_mod." + state[0].name;
  state[1].name = "_orig_mod." + state[1].name;
  state.push_back({"n_averaged", Tensor::zeros({}, DType::int64)});
  const auto loaded = make("resnet20", {.shortcut = Shortcut::projection, .seed = 6});
  load_state_in_layout(*loaded, config, "chenyaofo", state);
  CHECK(loaded->state_dict()[0].tensor.to_vector<double>() ==
        net->state_dict()[0].tensor.to_vector<double>());
  CHECK(read_layout_facts("chenyaofo", state).num_classes == 10);
}

// Names and differences as in preact_resnet.py of kuangliu and resnetv2.py of timm.
const Options kKuangliu{.fields = {{"activated_shortcut", "on"}, {"final_norm", "off"}}};
const Options kResnetV2{.stem = Stem::imagenet, .fields = {{"activated_shortcut", "on"}}};

TEST_CASE("kuangliu's names of pre-activation networks") {
  const std::set<std::string> basic = names_of(state_of("preact_resnet18", "kuangliu", kKuangliu));
  CHECK(basic.size() == 1 + 16 + 16 * 5 + 3 + 2);  // stem, blocks, projections, classifier
  for (const char* name : {"conv1.weight", "layer1.0.bn1.weight", "layer1.0.conv1.weight",
                           "layer1.0.bn2.running_var", "layer1.0.conv2.weight", "layer2.0.bn1.bias",
                           "layer2.0.conv1.weight", "layer2.0.bn2.weight", "layer2.0.conv2.weight",
                           "layer2.0.shortcut.0.weight", "layer4.1.conv2.weight", "linear.bias"}) {
    CAPTURE(name);
    CHECK(basic.contains(name));
  }
  Options bottlenecks = kKuangliu;
  bottlenecks.activation = Activation::pre;
  const std::set<std::string> names = names_of(state_of("resnet50", "kuangliu", bottlenecks));
  for (const char* name : {"layer1.0.bn3.weight", "layer1.0.conv3.weight", "layer3.5.bn3.weight",
                           "layer3.5.conv3.weight", "layer1.0.shortcut.0.weight"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
}

TEST_CASE("timm's names of pre-activation networks") {
  const auto net = make("preact_resnet18", kResnetV2);
  const std::vector<NamedTensor> state =
      state_in_layout(*net, configure("preact_resnet18", kResnetV2), "resnetv2");
  const std::set<std::string> names = names_of(state);
  for (const char* name :
       {"stem.conv.weight", "stages.0.blocks.0.norm1.weight", "stages.0.blocks.0.conv1.weight",
        "stages.1.blocks.0.downsample.conv.weight", "stages.1.blocks.0.norm1.running_mean",
        "stages.1.blocks.0.conv1.weight", "stages.1.blocks.0.norm2.bias",
        "stages.3.blocks.1.conv2.weight", "norm.running_var", "head.fc.weight", "head.fc.bias"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
  CHECK(names.size() == net->state_dict().size());
  const auto head = std::ranges::find(state, "head.fc.weight", &NamedTensor::name);
  CHECK(head->tensor.shape() == Shape{10, 512, 1, 1});
}

TEST_CASE("pre-activation weights come back, and say what they are of") {
  for (const std::string layout : {"kuangliu", "resnetv2"}) {
    CAPTURE(layout);
    const Options options = layout == "kuangliu" ? kKuangliu : kResnetV2;
    const ResNetConfig config = configure("preact_resnet18", options);
    const auto saved = make("preact_resnet18", options);
    const std::vector<NamedTensor> state = copies(state_in_layout(*saved, config, layout));
    const LayoutFacts facts = read_layout_facts(layout, state);
    CHECK(facts.activation == Activation::pre);
    CHECK(facts.stem == config.stem);
    CHECK(configure("preact_resnet18", {.stem = facts.stem, .fields = facts.fields}) == config);
    Options other = options;
    other.seed = 9;
    const auto loaded = make("preact_resnet18", other);
    load_state_in_layout(*loaded, config, layout, state);
    const auto want = saved->state_dict(), got = loaded->state_dict();
    for (std::size_t i = 0; i < want.size(); ++i) {
      CHECK(got[i].tensor.to_vector<double>() == want[i].tensor.to_vector<double>());
    }
  }
  CHECK(read_layout_facts("kuangliu", state_of("resnet18", "kuangliu")).activation ==
        Activation::post);
}

TEST_CASE("classes, stem and shortcut are read off the tensors") {
  LayoutFacts facts = read_layout_facts(
      "torchvision", state_of("resnet18", "torchvision",
                              {.num_classes = 7, .stem = Stem::imagenet, .initialise = false}));
  CHECK(facts.num_classes == 7);
  CHECK(facts.stem == Stem::imagenet);
  CHECK(facts.shortcut == Shortcut::projection);
  facts = read_layout_facts("akamaster", state_of("resnet20", "akamaster"));
  CHECK(facts.num_classes == 10);
  CHECK(facts.stem == Stem::cifar);
  CHECK(facts.shortcut == Shortcut::zero_pad);
  CHECK(read_layout_facts("akamaster", state_of("resnet20", "akamaster", kProjection)).shortcut ==
        Shortcut::projection);
  CHECK_THROWS_WITH_AS(
      read_layout_facts("kuangliu", state_of("resnet18", "torchvision")),
      "layout kuangliu: weights: expected a tensor linear.weight, found none among 122: "
      "conv1.weight, bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var and 117 more (another "
      "layout?)",
      ValueError);
  CHECK_THROWS_WITH_AS(
      read_layout_facts("torchvision", {{"conv1.weight", Tensor::zeros({3})}}),
      "layout torchvision: conv1.weight: expected a tensor of rank 4, got shape [3]", ValueError);
}
