// Tables of blocks and networks are compared with torchinfo's in golden_test.cpp; those of unusual
// modules in summary_rows_test.cpp.
#include "models/summary.h"

#include <doctest/doctest.h>

#include "core/autograd/grad_mode.h"
#include "models/models.h"
#include "nn/nn.h"
#include "tests/support/compare.h"

using namespace resgrad;
using namespace resgrad::testing;

TEST_CASE("a table, character for character") {
  Linear linear(4, 5);
  constexpr std::string_view kTable = R"(
==========================================================================================
Layer (type:depth-idx)                   Output Shape              Param #
==========================================================================================
Linear                                   [3, 5]                    25
==========================================================================================
Total params: 25
Trainable params: 25
Non-trainable params: 0
Total mult-adds (Units.MEGABYTES): 0.00
==========================================================================================
Input size (MB): 0.00
Forward/backward pass size (MB): 0.00
Params size (MB): 0.00
Estimated Total Size (MB): 0.00
==========================================================================================
)";
  CHECK(summary(linear, {3, 4}) == kTable.substr(1));
}

TEST_CASE("the figures of the source text's blocks") {
  struct Case {
    ModulePtr block;
    std::string mult_adds, pass, params, total;
  };
  using Post = ResNetBlock::Options;
  using Pre = ResNeXtBlock::Options;
  const std::vector<Case> cases = {
      {std::make_shared<ResNetBlock>(128, 32, Post{.bottleneck_ratio = 1}), "822.08", "20.97",
       "0.20", "29.56"},
      {std::make_shared<ResNetBlock>(128, 32), "97.52", "16.78", "0.02", "25.19"},
      {std::make_shared<ResNetBlock>(128, 32, Post{.stride = 3}), "26.32", "3.83", "0.02", "12.24"},
      {std::make_shared<ResNeXtBlock>(128, 32, Pre{.bottleneck_ratio = 1}), "822.08", "33.55",
       "0.20", "42.15"},
      {std::make_shared<ResNeXtBlock>(128, 32, Pre{.groups = 4}), "90.44", "29.36", "0.02",
       "37.77"},
      {std::make_shared<ResNeXtBlock>(128, 32, Pre{.stride = 3, .groups = 4}), "25.48", "20.11",
       "0.02", "28.53"}};
  for (const Case& c : cases) {
    const std::string table = summary(*c.block, {4, 128, 64, 64});
    CAPTURE(table);
    for (const std::string& line :
         {"Total mult-adds (Units.MEGABYTES): " + c.mult_adds, std::string("Input size (MB): 8.39"),
          "Forward/backward pass size (MB): " + c.pass, "Params size (MB): " + c.params,
          "Estimated Total Size (MB): " + c.total}) {
      CHECK(table.find("\n" + line + "\n") != std::string::npos);
    }
  }
}

TEST_CASE("mult-adds are those of the batch, print their unit, and drop the decimals of integers") {
  Conv2d conv(10, 10, 1, {.bias = false});
  CHECK(multiply_adds(conv, {1, 10, 100, 100}) == 1'000'000);
  CHECK(multiply_adds(conv, {3, 10, 100, 100}) == 3'000'000);
  const auto line = [](Module& module, const Shape& size) {
    const std::string table = summary(module, size);
    const std::size_t begin = table.find("Total mult-adds");
    return table.substr(begin, table.find('\n', begin) - begin);
  };
  CHECK(line(conv, {1, 10, 100, 100}) == "Total mult-adds (Units.MEGABYTES): 1");
  CHECK(line(conv, {1, 10, 100, 101}) == "Total mult-adds (Units.MEGABYTES): 1.01");
  Conv2d large(1000, 1000, 1, {.bias = false});
  CHECK(line(large, {1, 1000, 20, 49}) == "Total mult-adds (Units.MEGABYTES): 980");
  CHECK(line(large, {1, 1000, 20, 50}) == "Total mult-adds (Units.GIGABYTES): 1");
  ReLU relu;
  CHECK(line(relu, {1, 1}) == "Total mult-adds (Units.MEGABYTES): 0");
  Conv2d with_bias(2, 3, 3, {.padding = 1});  // the bias counts at every position too
  CHECK(multiply_adds(with_bias, {2, 2, 4, 5}) == (2 * 3 * 9 + 3) * 2 * 20);
}

TEST_CASE("a depth below 1 is rejected") {
  ReLU relu;
  for (const int depth : {0, -1}) {
    CHECK_THROWS_WITH_AS(summary(relu, {1}, {.depth = depth}),
                         fmt::format("summary: depth: expected at least 1, got {}", depth).c_str(),
                         ValueError);
  }
}

TEST_CASE("a summary leaves the modes of all modules, the statistics and the gradients alone") {
  const auto net = models::make("resnet20", {.initialise = false});
  net->children()[1].second->eval();  // a frozen stage
  std::vector<bool> modes;
  net->apply([&](Module& module) { modes.push_back(module.is_training()); });
  std::vector<Tensor> before;
  for (const NamedTensor& b : net->named_buffers()) before.push_back(b.tensor.clone());

  summary(*net, {2, 3, 8, 8});
  multiply_adds(*net, {2, 3, 8, 8});

  std::size_t i = 0;
  net->apply([&](Module& module) { CHECK(module.is_training() == modes[i++]); });
  const std::vector<NamedTensor> after = net->named_buffers();
  for (std::size_t b = 0; b < after.size(); ++b) {
    CAPTURE(after[b].name);
    CHECK(bit_equal(after[b].tensor, before[b]));
  }
  for (const NamedTensor& p : net->named_parameters()) CHECK_FALSE(p.tensor.grad().defined());
  CHECK(grad_enabled());
  net->eval();
  summary(*net, {2, 3, 8, 8});
  CHECK_FALSE(net->is_training());
}

TEST_CASE("an input that the module rejects is its error, and the mode comes back") {
  BatchNorm2d norm(3);
  CHECK_THROWS_AS(summary(norm, {1, 4, 2, 2}), ShapeError);
  CHECK(norm.is_training());
  CHECK(grad_enabled());
}
