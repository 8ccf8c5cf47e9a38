#include "models/description.h"

#include <doctest/doctest.h>

#include <set>

#include "models/registry.h"
#include "tests/support/error_of.h"

using namespace resgrad;
using models::Fields;
using testing::error_of;

namespace {

std::string refusal(const char* model, const Fields& fields) {
  return error_of([&] { models::configure(model, {.fields = fields}); });
}

}  // namespace

TEST_CASE("every registered network comes back from its fields and their text, from any base") {
  for (const models::Entry& entry : models::registry()) {
    CAPTURE(entry.name);
    const Fields fields = models::to_fields(entry.config);
    CHECK(models::parse_fields(models::to_text(fields)) == fields);
    for (const char* base : {"resnet20", "preact_resnet164", "resnext29_8x64d", "fastresnet8"}) {
      CHECK(models::with_fields(models::configure(base), fields) == entry.config);
    }
  }
}

TEST_CASE("the text of a network, field by field") {
  CHECK(models::to_text(models::to_fields(models::configure("resnet20"))) ==
        "block=basic blocks=3,3,3 channels=16,32,64 groups=1 activation=post shortcut=A "
        "transition=stride stem=cifar stem_channels=16 whiten_stem=off pool=average logit_scale=1 "
        "num_classes=10 init=he zero_init_residual=off freeze_norm_scale=off drop_path=0");
  CHECK(models::to_text(models::to_fields(models::configure("resnext29_8x64d"))) ==
        "block=bottleneck blocks=3,3,3 channels=256,512,1024 mid_channels=512,1024,2048 groups=8 "
        "stride_in_first=off activation=post shortcut=B transition=stride stem=cifar "
        "stem_channels=64 whiten_stem=off pool=average logit_scale=1 num_classes=10 init=he "
        "zero_init_residual=on freeze_norm_scale=off drop_path=0");
  CHECK(models::to_text(models::to_fields(models::configure("preact_resnet18"))) ==
        "block=basic blocks=2,2,2,2 channels=64,128,256,512 groups=1 activation=pre shortcut=B "
        "activated_shortcut=off final_norm=on transition=stride stem=cifar stem_channels=64 "
        "whiten_stem=off pool=average logit_scale=1 num_classes=10 init=he zero_init_residual=off "
        "freeze_norm_scale=off drop_path=0");
  CHECK(models::to_fields(models::configure("resnet50")).at("bottleneck_ratio") == "4");
}

TEST_CASE("fields as a table, one a line") {
  const std::string table = models::to_table(models::to_fields(models::configure("resnet20")));
  CHECK(table.starts_with("block               basic\nblocks              3,3,3\n"));
  CHECK(table.ends_with("\ndrop_path           0\n"));
}

TEST_CASE("each field changes its own member") {
  const auto changed = [](const Fields& fields) {
    return models::configure("resnet50", {.fields = fields});
  };
  const ResNetConfig own = models::configure("resnet50");
  for (const models::FieldInfo& info : models::field_infos()) CHECK(info.help.size() > 10);
  const std::vector<std::pair<Fields, std::function<void(ResNetConfig&)>>> cases = {
      {{{"block", "single"}}, [](ResNetConfig& c) { c.block = BlockKind::single; }},
      {{{"blocks", "1,2,3,4"}},
       [](ResNetConfig& c) {
         c.blocks = {1, 2, 3, 4};
       }},
      {{{"channels", "8,16,24,32"}},
       [](ResNetConfig& c) {
         c.channels = {8, 16, 24, 32};
       }},
      {{{"bottleneck_ratio", "2"}}, [](ResNetConfig& c) { c.bottleneck_ratio = 2; }},
      {{{"mid_channels", "8,8,8,8"}},
       [](ResNetConfig& c) {
         c.mid_channels = {8, 8, 8, 8};
       }},
      {{{"groups", "8"}}, [](ResNetConfig& c) { c.groups = 8; }},
      {{{"stride_in_first", "on"}}, [](ResNetConfig& c) { c.stride_in_first = true; }},
      {{{"activation", "pre"}}, [](ResNetConfig& c) { c.activation = Activation::pre; }},
      {{{"shortcut", "A"}}, [](ResNetConfig& c) { c.shortcut = Shortcut::zero_pad; }},
      {{{"activation", "pre"}, {"activated_shortcut", "on"}},
       [](ResNetConfig& c) { c.activation = Activation::pre, c.activated_shortcut = true; }},
      {{{"activation", "pre"}, {"final_norm", "off"}},
       [](ResNetConfig& c) { c.activation = Activation::pre, c.final_norm = false; }},
      {{{"transition", "pool"}}, [](ResNetConfig& c) { c.transition = Transition::pool; }},
      {{{"stem", "imagenet"}}, [](ResNetConfig& c) { c.stem = Stem::imagenet; }},
      {{{"stem_channels", "32"}}, [](ResNetConfig& c) { c.stem_channels = 32; }},
      {{{"whiten_stem", "on"}}, [](ResNetConfig& c) { c.whiten_stem = true; }},
      {{{"pool", "max"}}, [](ResNetConfig& c) { c.pool = Pooling::max; }},
      {{{"logit_scale", "0.125"}}, [](ResNetConfig& c) { c.logit_scale = 0.125; }},
      {{{"num_classes", "7"}}, [](ResNetConfig& c) { c.num_classes = 7; }},
      {{{"init", "dirac"}}, [](ResNetConfig& c) { c.init = Init::dirac; }},
      {{{"zero_init_residual", "on"}}, [](ResNetConfig& c) { c.zero_init_residual = true; }},
      {{{"freeze_norm_scale", "on"}}, [](ResNetConfig& c) { c.freeze_norm_scale = true; }},
      {{{"drop_path", "0.25"}}, [](ResNetConfig& c) { c.drop_path = 0.25; }}};
  std::set<std::string> tried;
  for (const auto& [fields, change] : cases) {
    const std::string text = models::to_text(fields);
    CAPTURE(text);
    for (const Fields::value_type& field : fields) tried.insert(field.first);
    ResNetConfig want = own;
    change(want);
    CHECK(changed(fields) == want);
    CHECK_FALSE(want == own);
  }
  CHECK(tried.size() == models::field_infos().size());
}

TEST_CASE("what belongs to a replaced field goes with it") {
  const ResNetConfig basic =
      models::configure("preact_resnet164", {.fields = {{"block", "basic"}}});
  CHECK_FALSE(basic.stride_in_first);
  ResNetConfig pre = models::configure("preact_resnet18");
  pre.activated_shortcut = true, pre.final_norm = false;
  CHECK(models::with_fields(pre, {{"activation", "post"}}) ==
        models::configure("preact_resnet18", {.activation = Activation::post}));
  const ResNetConfig bottleneck =
      models::configure("resnet20", {.fields = {{"block", "bottleneck"}, {"groups", "4"}}});
  CHECK(bottleneck.bottleneck_ratio == 4);
  const ResNetConfig by_ratio =
      models::configure("resnext29_8x64d", {.fields = {{"bottleneck_ratio", "2"}}});
  CHECK(by_ratio.mid_channels.empty());
  CHECK(by_ratio.bottleneck_ratio == 2);
}

TEST_CASE("texts that a field does not take are refused with field and text") {
  CHECK(
      refusal("resnet20", {{"depth", "3"}}).starts_with("network: expected fields among block, "));
  CHECK(refusal("resnet20", {{"depth", "3"}}).ends_with(", got depth"));
  CHECK(refusal("resnet20", {{"block", "wide"}}) ==
        "block: expected one of basic, bottleneck, single, got wide");
  CHECK(refusal("resnet20", {{"groups", "4x"}}) == "groups: expected a whole number, got 4x");
  CHECK(refusal("resnet20", {{"groups", ""}}) == "groups: expected a whole number, got ");
  CHECK(refusal("resnet20", {{"groups", "9223372036854775808"}}) ==
        "groups: expected a whole number, got 9223372036854775808");
  CHECK(refusal("resnet20", {{"blocks", "3,,3"}}) ==
        "blocks: expected whole numbers with commas between them, got 3,,3");
  CHECK(refusal("resnet20", {{"whiten_stem", "yes"}}) ==
        "whiten_stem: expected one of on, off, got yes");
  CHECK(refusal("resnet20", {{"logit_scale", "1/9"}}) == "logit_scale: expected a number, got 1/9");
  CHECK(refusal("resnet50", {{"bottleneck_ratio", "4"}, {"mid_channels", "1,1,1,1"}}) ==
        "bottleneck_ratio, mid_channels: expected one of both, got 4 and 1,1,1,1");
  CHECK(refusal("resnet20", {{"bottleneck_ratio", "4"}}) ==
        "bottleneck_ratio: expected block=bottleneck with it, got block=basic");
  CHECK(error_of([] { models::parse_fields("block=basic groups"); }) ==
        "network: expected words such as block=basic, got groups");
  CHECK(error_of([] { models::parse_fields("groups=1  groups=2"); }) ==
        "network: groups: expected it once, got it again with 2");
  CHECK(models::parse_fields("  ").empty());
  CHECK(models::parse_fields("groups=010").at("groups") == "010");
  CHECK(models::configure("resnext29_32x4d", {.fields = {{"groups", "016"}}}).groups == 16);
}

TEST_CASE("impossible networks are refused with field and values") {
  CHECK(refusal("resnet20", {{"blocks", "3,3"}}) ==
        "network: blocks: expected a number for each stage of channels=16,32,64, got 3,3");
  for (const char* rate : {"1", "-0.1", "nan"}) {
    CHECK(refusal("resnet20", {{"drop_path", rate}}) ==
          fmt::format("network: drop_path: expected a number of at least 0 and below 1, got {}",
                      rate));
  }
  CHECK(refusal("resnet20", {{"blocks", "3,0,3"}}) ==
        "network: blocks: expected numbers of at least 1, got 3,0,3");
  CHECK(refusal("resnet20", {{"channels", "16,-32,64"}}) ==
        "network: channels: expected numbers of at least 1, got 16,-32,64");
  CHECK(refusal("resnet20", {{"groups", "4"}}) ==
        "network: groups: expected 1 with block=basic, got 4; block=bottleneck takes more");
  CHECK(refusal("resnet50", {{"channels", "256,512,1024,2049"}}) ==
        "network: bottleneck_ratio: expected a divisor of channels=256,512,1024,2049, got 4");
  CHECK(refusal("resnet20", {{"block", "bottleneck"}, {"groups", "8"}}) ==
        "network: groups: expected a divisor of the bottlenecks' middle channels 4,8,16, got 8");
  CHECK(
      refusal("resnet50", {{"mid_channels", "64,128"}}) ==
      "network: mid_channels: expected a number for each stage of channels=256,512,1024,2048, got "
      "64,128");
  CHECK(refusal("resnet20", {{"channels", "16,32,24"}}) ==
        "network: channels: expected numbers that do not fall from stem_channels=16 on with "
        "shortcut=A, got 16,32,24");
  CHECK(refusal("resnet20", {{"num_classes", "0"}}) ==
        "network: num_classes: expected at least 1, got 0");
  CHECK(refusal("resnet20", {{"stem_channels", "0"}}) ==
        "network: stem_channels: expected at least 1, got 0");
  CHECK(refusal("resnet20", {{"logit_scale", "0"}}) ==
        "network: logit_scale: expected a finite number other than 0, got 0");
  CHECK(refusal("resnet20", {{"logit_scale", "nan"}}) ==
        "network: logit_scale: expected a finite number other than 0, got nan");
  CHECK(refusal("resnet18", {{"whiten_stem", "on"}, {"stem", "imagenet"}}) ==
        "network: whiten_stem: expected stem=cifar with it, got stem=imagenet");
  CHECK(refusal("resnet18", {{"whiten_stem", "on"}, {"stem_channels", "63"}}) ==
        "network: whiten_stem: expected an even number of stem_channels, got 63");
  CHECK(refusal("resnet20", {{"final_norm", "off"}}) ==
        "final_norm: expected activation=pre with it, got activation=post");
  CHECK(refusal("preact_resnet18", {{"activation", "post"}, {"activated_shortcut", "on"}}) ==
        "activated_shortcut: expected activation=pre with it, got activation=post");
  CHECK(refusal("preact_resnet20", {{"activated_shortcut", "on"}}) ==
        "network: activated_shortcut: expected shortcut=B with it, got shortcut=A");
  CHECK(refusal("resnet20", {{"freeze_norm_scale", "on"}, {"zero_init_residual", "on"}}) ==
        "network: freeze_norm_scale: expected zero_init_residual=off with activation=post, got on: "
        "the blocks could not learn");
}

TEST_CASE("settings are parsed from their names, and others are rejected with the known ones") {
  CHECK(models::parse_activation("post") == Activation::post);
  CHECK(models::parse_activation("pre") == Activation::pre);
  CHECK(models::parse_shortcut("A") == Shortcut::zero_pad);
  CHECK(models::parse_shortcut("B") == Shortcut::projection);
  CHECK(models::parse_stem("cifar") == Stem::cifar);
  CHECK(models::parse_stem("imagenet") == Stem::imagenet);
  CHECK(error_of([] { models::parse_activation("Pre"); }) ==
        "activation: expected one of post, pre, got Pre");
  CHECK(error_of([] { models::parse_shortcut("C"); }) == "shortcut: expected one of A, B, got C");
  CHECK(error_of([] { models::parse_stem(""); }) == "stem: expected one of cifar, imagenet, got ");
}
