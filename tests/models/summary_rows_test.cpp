// Rows of modules that call their children in unusual ways. Expected: what torchinfo 1.8.0 prints
// for the same modules in PyTorch.
#include <doctest/doctest.h>

#include "models/summary.h"
#include "nn/nn.h"

using namespace resgrad;

namespace {

/// A module of `children` whose forward is `call`.
class Custom final : public Module {
 public:
  using Call = std::function<Tensor(const std::vector<ModulePtr>&, const Tensor&)>;
  Custom(std::string class_name, const std::vector<ModulePtr>& children, Call call)
      : class_name_(std::move(class_name)), modules_(children), call_(std::move(call)) {
    for (const ModulePtr& child : children) {
      register_module(std::to_string(this->children().size()), child);
    }
  }
  std::string class_name() const override { return class_name_; }
  void add_parameter(const Shape& shape) { register_parameter("own", Tensor::zeros(shape)); }

 private:
  Tensor forward(const Tensor& x) override { return call_(modules_, x); }
  std::string class_name_;
  std::vector<ModulePtr> modules_;
  Call call_;
};

ModulePtr conv(bool bias = false) {
  return std::make_shared<Conv2d>(3, 3, 1, Conv2dLayerOptions{.bias = bias});
}

ModulePtr conv_and_norm() {
  return std::make_shared<Sequential>(
      std::initializer_list<ModulePtr>{conv(), std::make_shared<BatchNorm2d>(3)});
}

/// A container of two convolutions that is never called itself.
ModulePtr box() {
  return std::make_shared<Custom>("Box", std::vector<ModulePtr>{conv(), conv()},
                                  [](const auto&, const Tensor&) -> Tensor { throw 1; });
}

/// The rows between the header and the totals, without the figures after them.
std::string rows_of(Module& module, const SummaryOptions& options = {}) {
  const std::string table = summary(module, {2, 3, 4, 4}, options);
  std::size_t begin = 0;
  for (int line = 0; line < 3; ++line) begin = table.find('\n', begin) + 1;
  const std::size_t end = table.find("\n=", begin) + 1;
  return table.substr(begin - 1, end - begin + 1);  // from the line break before the first row
}

bool contains_line(Module& module, const std::string& line) {
  return summary(module, {2, 3, 4, 4}).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("a repeated module is recursive, one without parameters is not") {
  Custom module("Shared", {conv(), std::make_shared<ReLU>()}, [](const auto& m, const Tensor& x) {
    return (*m[0])((*m[1])((*m[0])((*m[1])(x))));
  });
  CHECK(rows_of(module) == R"(
Shared                                   [2, 3, 4, 4]              --
├─ReLU: 1-1                              [2, 3, 4, 4]              --
├─Conv2d: 1-2                            [2, 3, 4, 4]              9
├─ReLU: 1-3                              [2, 3, 4, 4]              --
├─Conv2d: 1-4                            [2, 3, 4, 4]              (recursive)
)");
  CHECK(contains_line(module, "Total params: 9"));
  CHECK(multiply_adds(module, {2, 3, 4, 4}) == 2 * 9 * 32);  // but it works twice
}

TEST_CASE("a repeated container is recursive with all that it holds") {
  Custom module("Twice", {conv_and_norm()},
                [](const auto& m, const Tensor& x) { return (*m[0])((*m[0])(x)); });
  CHECK(rows_of(module) == R"(
Twice                                    [2, 3, 4, 4]              --
├─Sequential: 1-1                        [2, 3, 4, 4]              --
│    └─Conv2d: 2-1                       [2, 3, 4, 4]              9
│    └─BatchNorm2d: 2-2                  [2, 3, 4, 4]              6
├─Sequential: 1-2                        [2, 3, 4, 4]              (recursive)
│    └─Conv2d: 2-3                       [2, 3, 4, 4]              (recursive)
│    └─BatchNorm2d: 2-4                  [2, 3, 4, 4]              (recursive)
)");
  CHECK(contains_line(module, "Total params: 15"));
}

TEST_CASE("a layer under two names counts once") {
  const ModulePtr shared = conv();
  Custom module("TwoNames", {shared, shared},
                [](const auto& m, const Tensor& x) { return (*m[1])((*m[0])(x)); });
  CHECK(rows_of(module) == R"(
TwoNames                                 [2, 3, 4, 4]              --
├─Conv2d: 1-1                            [2, 3, 4, 4]              9
├─Conv2d: 1-2                            [2, 3, 4, 4]              (recursive)
)");
  CHECK(contains_line(module, "Total params: 9"));
}

TEST_CASE("a module under two parents is shown under the one that calls it") {
  const ModulePtr shared = conv();
  const auto parent = [&](std::initializer_list<ModulePtr> more) {
    auto sequence = std::make_shared<Sequential>(more);
    sequence->append(shared);
    return sequence;
  };
  Sequential module{parent({}), parent({std::make_shared<ReLU>()})};
  CHECK(rows_of(module) == R"(
Sequential                               [2, 3, 4, 4]              --
├─Sequential: 1-1                        [2, 3, 4, 4]              --
│    └─Conv2d: 2-1                       [2, 3, 4, 4]              9
├─Sequential: 1-2                        [2, 3, 4, 4]              --
│    └─ReLU: 2-2                         [2, 3, 4, 4]              --
│    └─Conv2d: 2-3                       [2, 3, 4, 4]              (recursive)
)");
  CHECK(contains_line(module, "Total params: 9"));
}

TEST_CASE("frozen parameters are in brackets where all are, and are not trainable") {
  const auto freeze = [](const ModulePtr& layer, const char* name) {
    for (NamedTensor& p : layer->named_parameters()) {
      if (p.name == name) p.tensor.set_requires_grad(false);
    }
  };
  const ModulePtr whole = conv(), half = conv(true);
  freeze(whole, "weight");
  freeze(half, "bias");
  Custom module("Own", {whole, half, std::make_shared<Linear>(2, 2)},
                [](const auto& m, const Tensor& x) { return (*m[1])((*m[0])(x)); });
  module.add_parameter({7});
  CHECK(rows_of(module) == R"(
Own                                      [2, 3, 4, 4]              13
├─Conv2d: 1-1                            [2, 3, 4, 4]              (9)
├─Conv2d: 1-2                            [2, 3, 4, 4]              12
)");
  CHECK(contains_line(module, "Total params: 34"));
  CHECK(contains_line(module, "Trainable params: 22"));
  CHECK(contains_line(module, "Non-trainable params: 12"));
}

TEST_CASE("a container that is not called gets a row before its first child") {
  Custom module("Outer", {std::make_shared<ReLU>(), box(), conv(true)},
                [](const auto& m, const Tensor& x) {
                  const auto& inner = m[1]->children();
                  const Tensor y = (*inner[0].second)((*m[0])(x));
                  return (*m[2])((*inner[1].second)(y));
                });
  CHECK(rows_of(module) == R"(
Outer                                    [2, 3, 4, 4]              --
├─ReLU: 1-1                              [2, 3, 4, 4]              --
├─Box: 1-2                               --                        --
│    └─Conv2d: 2-1                       [2, 3, 4, 4]              9
│    └─Conv2d: 2-2                       [2, 3, 4, 4]              9
├─Conv2d: 1-3                            [2, 3, 4, 4]              12
)");
  CHECK(rows_of(module, {.depth = 1}) == R"(
Outer                                    [2, 3, 4, 4]              --
├─ReLU: 1-1                              [2, 3, 4, 4]              --
├─Box: 1-2                               --                        18
├─Conv2d: 1-3                            [2, 3, 4, 4]              12
)");
  CHECK(contains_line(module, "Total params: 30"));
}

TEST_CASE("it gets another one when its children come back after something else") {
  Custom module("Outer", {std::make_shared<ReLU>(), box(), conv(true)},
                [](const auto& m, const Tensor& x) {
                  const auto& inner = m[1]->children();
                  const Tensor y = (*inner[0].second)((*m[0])(x));
                  return (*inner[1].second)((*m[2])(y));
                });
  // torchinfo has one record for both rows of the box
  CHECK(rows_of(module) == R"(
Outer                                    [2, 3, 4, 4]              --
├─ReLU: 1-1                              [2, 3, 4, 4]              --
├─Box: 1-4                               --                        (recursive)
│    └─Conv2d: 2-1                       [2, 3, 4, 4]              9
├─Conv2d: 1-3                            [2, 3, 4, 4]              12
├─Box: 1-4                               --                        (recursive)
│    └─Conv2d: 2-2                       [2, 3, 4, 4]              9
)");
  CHECK(contains_line(module, "Total params: 30"));
}

TEST_CASE("nested containers that are not called come back together") {
  const ModulePtr inner = box();
  const auto outer = std::make_shared<Custom>(
      "Box", std::vector<ModulePtr>{inner}, [](const auto&, const Tensor&) -> Tensor { throw 1; });
  Custom module("Outer", {outer, std::make_shared<ReLU>()},
                [inner](const auto& m, const Tensor& x) {
                  const auto& convs = inner->children();
                  return (*convs[1].second)((*m[1])((*convs[0].second)(x)));
                });
  CHECK(rows_of(module) == R"(
Outer                                    [2, 3, 4, 4]              --
├─Box: 1-3                               --                        (recursive)
│    └─Box: 2-2                          --                        (recursive)
│    │    └─Conv2d: 3-1                  [2, 3, 4, 4]              9
├─ReLU: 1-2                              [2, 3, 4, 4]              --
├─Box: 1-3                               --                        (recursive)
│    └─Box: 2-2                          --                        (recursive)
│    │    └─Conv2d: 3-2                  [2, 3, 4, 4]              9
)");
}

TEST_CASE("a child that is called again without its container gets the container's row") {
  Custom module("CallThenInner", {conv_and_norm(), std::make_shared<ReLU>()},
                [](const auto& m, const Tensor& x) {
                  return (*m[0]->children()[0].second)((*m[1])((*m[0])(x)));
                });
  CHECK(rows_of(module) == R"(
CallThenInner                            [2, 3, 4, 4]              --
├─Sequential: 1-1                        [2, 3, 4, 4]              --
│    └─Conv2d: 2-1                       [2, 3, 4, 4]              9
│    └─BatchNorm2d: 2-2                  [2, 3, 4, 4]              6
├─ReLU: 1-2                              [2, 3, 4, 4]              --
├─Sequential: 1-3                        --                        (recursive)
│    └─Conv2d: 2-3                       [2, 3, 4, 4]              (recursive)
)");
  CHECK(contains_line(module, "Total params: 15"));
}

TEST_CASE("own parameters and those of modules that are not called stay with the container") {
  Custom module("Own", {std::make_shared<ReLU>(), std::make_shared<Linear>(2, 2)},
                [](const auto& m, const Tensor& x) { return (*m[0])(x); });
  module.add_parameter({7});
  CHECK(rows_of(module) == R"(
Own                                      [2, 3, 4, 4]              13
├─ReLU: 1-1                              [2, 3, 4, 4]              --
)");
  CHECK(contains_line(module, "Total params: 13"));
}

TEST_CASE("an empty Sequential that is called has a row") {
  Custom module("Outer", {std::make_shared<Sequential>()},
                [](const auto& m, const Tensor& x) { return (*m[0])(x); });
  CHECK(rows_of(module) == R"(
Outer                                    [2, 3, 4, 4]              --
├─Sequential: 1-1                        [2, 3, 4, 4]              --
)");
}

TEST_CASE("a long name widens its column to a multiple of five") {
  const auto call = [](const auto& m, const Tensor& x) { return (*m[0])(x); };
  const auto inner = std::make_shared<Custom>("ThirtyFiveCharactersLongAsAModuleNm",
                                              std::vector<ModulePtr>{conv(true)}, call);
  Sequential module{std::make_shared<Custom>("AModuleWhoseNameIsTooLongForTheColumn",
                                             std::vector<ModulePtr>{inner}, call)};
  CHECK(rows_of(module) == R"(
Sequential                                              [2, 3, 4, 4]              --
├─AModuleWhoseNameIsTooLongForTheColumn: 1-1            [2, 3, 4, 4]              --
│    └─ThirtyFiveCharactersLongAsAModuleNm: 2-1         [2, 3, 4, 4]              --
│    │    └─Conv2d: 3-1                                 [2, 3, 4, 4]              12
)");
  CHECK(summary(module, {2, 3, 4, 4}).starts_with(std::string(105, '=') + "\n"));
}
